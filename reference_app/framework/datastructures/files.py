"""The uploaded file. How uploads are found in a body is in `..forms`."""

from __future__ import annotations

import mimetypes
import os
import shutil
from contextlib import suppress
from io import BytesIO
from typing import IO, Any

from ..http import parse_options_header
from .headers import Headers
from .mappings import MultiDict


class FileStorage:
    """A file from a form: its stream with what the client said about it.

    :param stream: the contents, positioned at the start.
    :param filename: as the client gave it. Never use it as a path.
    :param name: of the form field.
    :param content_type: as the client gave it.
    :param content_length: in bytes, as the client gave it for this part; usually none.
    :param headers: all headers of the part.
    """

    def __init__(
        self,
        stream: IO[bytes] | None = None,
        filename: str | None = None,
        name: str | None = None,
        content_type: str | None = None,
        content_length: int | None = None,
        headers: Headers | None = None,
    ) -> None:
        self.name = name
        self.stream: IO[bytes] = BytesIO() if stream is None else stream
        if filename is None:
            # A file opened by name knows it; <stdin> and the like, and descriptors, do not count.
            own = getattr(self.stream, "name", None)
            if own is not None and not isinstance(own, int):
                own = os.fsdecode(own)
                filename = None if own.startswith("<") and own.endswith(">") else own
        self.filename = filename
        self.headers = Headers() if headers is None else headers
        if content_type is not None:
            self.headers["Content-Type"] = content_type
        if content_length is not None:
            self.headers["Content-Length"] = str(content_length)

    @property
    def content_type(self) -> str | None:
        """The Content-Type of the part."""
        value: str | None = self.headers.get("Content-Type")
        return value

    @property
    def content_length(self) -> int:
        """The Content-Length of the part in bytes, 0 if it has none."""
        length: int = self.headers.get("Content-Length", 0, type=int)
        return length

    @property
    def mimetype(self) -> str:
        """The Content-Type in lower case and without parameters."""
        return parse_options_header(self.content_type)[0].lower()

    @property
    def mimetype_params(self) -> dict[str, str]:
        """The parameters of the Content-Type."""
        return parse_options_header(self.content_type)[1]

    def save(self, dst: str | os.PathLike[str] | IO[bytes], buffer_size: int = 16384) -> None:
        """Write the contents to a path or to a file open for writing.

        :param buffer_size: bytes copied at a time.
        """
        if isinstance(dst, (str, os.PathLike)):
            with open(dst, "wb") as file:
                shutil.copyfileobj(self.stream, file, buffer_size)
        else:
            shutil.copyfileobj(self.stream, dst, buffer_size)

    def close(self) -> None:
        """Close the stream, whatever it says."""
        # The request is over; an upload that cannot be closed must not break its response.
        with suppress(Exception):
            self.stream.close()

    def __bool__(self) -> bool:
        return bool(self.filename)

    def __getattr__(self, name: str) -> Any:
        try:
            return getattr(self.stream, name)
        except AttributeError:
            # A SpooledTemporaryFile hides some methods of the file that it wraps.
            wrapped = getattr(self.__dict__.get("stream"), "_file", None)
            if wrapped is None:
                raise
            return getattr(wrapped, name)

    def __iter__(self) -> Any:
        return iter(self.stream)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.filename!r} ({self.content_type!r})>"


class FileMultiDict(MultiDict[str, Any]):
    """A `MultiDict` of files, for building requests in tests."""

    def add_file(
        self,
        name: str,
        file: Any,
        filename: str | None = None,
        content_type: str | None = None,
    ) -> None:
        """Add a file: a `FileStorage`, a stream, or a path that is opened."""
        if not isinstance(file, FileStorage):
            if isinstance(file, (str, os.PathLike)):
                filename = os.fspath(file) if filename is None else filename
                # Closed with the builder that owns this dict.
                stream: IO[bytes] = open(file, "rb")  # noqa: SIM115
            else:
                stream = file
            if filename and content_type is None:
                content_type = mimetypes.guess_type(filename)[0] or "application/octet-stream"
            file = FileStorage(stream, filename, name, content_type)
        self.add(name, file)
