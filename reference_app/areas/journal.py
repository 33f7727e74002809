"""The journal and the rendezvous: what happens inside the deployment, known to all its processes.

Some facts cannot be seen in a response: that a teardown function ran, that `close()` was called,
that eight requests were inside their handlers at the same time. They are kept in files, one
directory per deployment, because a file is shared by threads, by greenlets and by processes alike.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
import time
from pathlib import Path
from typing import Any

#: Seconds between two looks at a rendezvous. The sleep is what lets a greenlet switch.
POLL_S = 0.002

_KEY = re.compile(r"[A-Za-z0-9-]{1,64}")


def _directory() -> Path:
    # Read at each call and not at import: a forked worker has the same environment, a test may not.
    deployment = os.environ.get("WSGI_CONFORM_DEPLOYMENT") or "standalone"
    directory = Path(tempfile.gettempdir()) / f"wsgi-conform-{deployment}"
    directory.mkdir(exist_ok=True)
    return directory


def _path(key: str, suffix: str) -> Path:
    if not _KEY.fullmatch(key):
        raise ValueError(f"expected a key of letters, digits and hyphens, found {key!r}")
    return _directory() / f"{key}.{suffix}"


def record(key: str, event: str, **details: Any) -> None:
    """Append an event to the journal under a key; one write, so that writers do not mix."""
    line = json.dumps({"event": event, **details}) + "\n"
    with _path(key, "journal").open("ab", buffering=0) as file:
        file.write(line.encode())


def read(key: str) -> list[dict[str, Any]]:
    """The events of a key, oldest first."""
    try:
        lines = _path(key, "journal").read_text("utf-8").splitlines()
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in lines]


def hold(key: str, patience_s: float) -> bool:
    """Wait at a gate until it is opened from outside, and say whether it was.

    The harness opens it by a file, because a server that is stopping takes no request to do so.

    :param key: names the gate.
    :param patience_s: seconds after which a request gives up.
    """
    deadline = time.monotonic() + patience_s
    _path(key, "waiting").touch()
    opened = _path(key, "open")
    while not opened.exists():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True


def meet(key: str, parties: int, patience_s: float) -> bool:
    """Wait inside a handler until so many requests are in theirs, and say whether they were.

    :param key: names the rendezvous.
    :param parties: how many have to be there at once; the last to come lets all of them go.
    :param patience_s: seconds after which a request that still waits gives up.
    :returns: True when that many were in their handlers at the same time.
    """
    deadline = time.monotonic() + patience_s
    place = _path(key, "rendezvous")
    with place.open("ab", buffering=0) as file:
        file.write(b".")
    # Whoever gives up stays counted in the file although it leaves, so it leaves a sign as well:
    # once that is there, a full count no longer says that all were there at once.
    gave_up = _path(key, "gave-up")
    while place.stat().st_size < parties:
        if gave_up.exists() or time.monotonic() > deadline:
            gave_up.touch()
            return False
        time.sleep(POLL_S)
    return not gave_up.exists()
