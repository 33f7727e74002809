"""What of the bytes that were sent the peer's program has not read yet, as Linux tells.

A peer of the same machine has its end of the connection in the same kernel: a server that runs as a
process, or the proxy at a container's published port. So whoever wants two pieces to be read apart
can wait for the first one to be read, and need not guess how long that takes.
"""

from __future__ import annotations

import socket
import struct

# The messages of sock_diag(7): one connection is asked for by its two addresses.
_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_NLM_F_REQUEST = 1
_HEADER = struct.Struct("=IHHII")
_REQUEST = struct.Struct("=BBBxI")
_PORTS = struct.Struct("!HH")
_ADDRESS_SIZE = 16
_ALL_STATES = 0xFFFFFFFF
_ANY_INTERFACE_AND_COOKIE = b"\0" * 4 + b"\xff" * 8
_ID_SIZE = _PORTS.size + 2 * _ADDRESS_SIZE + len(_ANY_INTERFACE_AND_COOKIE)
# struct inet_diag_msg: family, state, timer, retransmissions, the id, expires, rqueue, ...
_QUEUE_AT = _HEADER.size + 4 + _ID_SIZE + 4
_ANSWER_SIZE = 4096


def unread(connection: socket.socket) -> int | None:
    """How many bytes wait for the peer's program to read them; None where nobody can tell.

    :param connection: this end of a TCP connection.
    """
    if not hasattr(socket, "AF_NETLINK"):
        return None
    try:
        ends = connection.getpeername()[:2], connection.getsockname()[:2]
        family = connection.family
        question = _REQUEST.pack(family, socket.IPPROTO_TCP, 0, _ALL_STATES)
        question += _PORTS.pack(*(port for _, port in ends))
        for host, _ in ends:
            question += socket.inet_pton(family, host).ljust(_ADDRESS_SIZE, b"\0")
        question += _ANY_INTERFACE_AND_COOKIE
        size = _HEADER.size + len(question)
        with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, _NETLINK_SOCK_DIAG) as kernel:
            kernel.send(_HEADER.pack(size, _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST, 1, 0) + question)
            answer = kernel.recv(_ANSWER_SIZE)
    except OSError:
        return None
    if _HEADER.unpack_from(answer)[1] != _SOCK_DIAG_BY_FAMILY:
        return None  # there is no such connection here
    return int(struct.unpack_from("=I", answer, _QUEUE_AT)[0])
