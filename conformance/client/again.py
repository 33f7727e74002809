"""A recorded exchange once more: its bytes sent on a connection as they were sent then.

They are cut where the client looked for an answer before it sent on, and end in a half-close if
they did then. As much of an answer is read as was read then, and whatever comes at once after it.
"""

from __future__ import annotations

import re
from typing import Any

from conformance.client.exchanges import Exchange
from conformance.client.wire import Connection, MalformedResponse, PeerError

#: Seconds without a byte after which no more of an answer is waited for, once there is one.
QUIET_S = 0.1
#: How much more than the answers is read, in bytes.
MORE_READ = 1024 * 1024

_REQUEST_LINE = re.compile(rb"(?m)^([!-~]+) \S+ HTTP/\d\.\d\r?$")


def send_again(connection: Connection, data: bytes, recorded: dict[str, Any]) -> Exchange:
    """Send a request and read what answers it.

    :param data: the bytes.
    :param recorded: the exchange as in results.json; empty where there is none, and one answer is
        read then.
    :returns: the exchange that came of it.
    """
    pauses = recorded.get("pauses", [])
    ends = [pause["sent"] for pause in pauses] + [len(data)]
    exchange = connection.begin()
    before = 0
    try:
        connection.send(data[: ends[0]])
        for number, pause in enumerate(pauses):
            _look(connection, exchange, pause["received"], before)
            before = pause["received"]
            if rest := data[pause["sent"] : ends[number + 1]]:
                connection.send(rest)
        if recorded.get("half_closed"):
            connection.shutdown_write()
        _receive(connection, exchange, data, recorded)
    except PeerError:
        # How it ended is in the exchange.
        pass
    return exchange


def _look(connection: Connection, exchange: Exchange, received: int, before: int) -> None:
    """Look for an answer as the client did: until as much came as then, or nothing comes.

    Another server may say the same in fewer bytes: once there are any, a short silence is the end.
    """
    if received == before:
        connection.reacted(QUIET_S)
        return
    begun = exchange.response.total
    while exchange.response.total < received:
        came = exchange.response.total > begun
        patience_s = QUIET_S if came else connection.time_limit_s
        if not connection.receive_ahead(patience_s):
            return


def _receive(
    connection: Connection, exchange: Exchange, data: bytes, recorded: dict[str, Any]
) -> None:
    """Read what answers.

    :raises PeerError: the answer does not come, or not whole.
    """
    if recorded.get("ended") == "open":
        # The client went away and did not wait for all of an answer.
        _look(connection, exchange, recorded["response"]["bytes"], 0)
        return
    methods = _REQUEST_LINE.findall(data)
    try:
        for number in range(recorded.get("answers") or 1):
            method = methods[number] if number < len(methods) else b"GET"
            connection.receive(method.decode("ascii"))
    except MalformedResponse:
        # It is told as it is, and all of it.
        pass
    enough = exchange.response.total + MORE_READ
    while exchange.response.total < enough and connection.receive_ahead(QUIET_S):
        pass
