"""A large upload to a server that has had none yet, so that the memory it takes can be seen."""

from __future__ import annotations

from dataclasses import dataclass

from conformance.acts import Stage, act
from conformance.client import PeerError, http

#: How large the upload is, in bytes; see `conformance.checks.test_load` for why not larger.
UPLOAD = 24 * 1024 * 1024
_BLOCK = b"0123456789abcdef" * 4096
#: How many small uploads are looked at before: workers differ in what they have loaded so far.
_BEFORE = 8


@dataclass(frozen=True)
class Uploaded:
    """What a process of the application took for an upload.

    :param grown: by how many bytes its peak of memory is above the peaks before.
    :param length: how many bytes the application has read.
    """

    grown: int
    length: int


@act
def uploaded(stage: Stage) -> Uploaded:
    """An upload of 24 MiB after some small ones, each read by the application block by block."""
    wire = stage.wire(stage.start())

    def upload(blocks: int) -> tuple[int, int]:
        fields = [("Content-Length", str(blocks * len(_BLOCK))), ("Connection", "close")]
        with wire.connect() as connection:
            connection.request("POST", "/load/upload?memory=1", fields)
            for _ in range(blocks):
                connection.send(_BLOCK)
            response = connection.receive("POST")
        found = http.read_json(response)
        length, peak = found["length"], found["peak"]
        if not isinstance(length, int) or not isinstance(peak, int):
            raise PeerError(f"expected numbers, found {length!r} and {peak!r}")
        return length, peak

    before = max(upload(1)[1] for _ in range(_BEFORE))
    length, peak = upload(UPLOAD // len(_BLOCK))
    return Uploaded(peak - before, length)
