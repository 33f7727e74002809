"""Form data: what an HTML form sends as a request body, parsed with limits.

Two formats exist, `application/x-www-form-urlencoded` and `multipart/form-data` (RFC 7578). The
second is parsed by the multipart library; this module stores what comes out of it.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable
from io import BytesIO
from tempfile import SpooledTemporaryFile
from typing import IO, Any
from urllib.parse import parse_qsl, quote_from_bytes

from multipart import (  # type: ignore[import-untyped]
    MultipartError,
    MultipartSegment,
    ParserLimitReached,
    PushMultipartParser,
)

from .datastructures import FileStorage, Headers, ImmutableMultiDict, MultiDict
from .exceptions import RequestEntityTooLarge

# Larger files go to disk.
MAX_FILE_IN_MEMORY = 500 * 1024
_charsets = {"ascii", "us-ascii", "utf-8", "iso-8859-1"}

StreamFactory = Callable[[int | None, str | None, str | None, int | None], IO[bytes]]


def _requote(error: UnicodeError) -> tuple[str, int]:
    """Codec error handler: bytes that are not UTF-8 stay percent-encoded."""
    assert isinstance(error, UnicodeDecodeError)
    return quote_from_bytes(error.object[error.start : error.end], safe=""), error.end


codecs.register_error("reference_app.requote", _requote)


def parse_query(text: str) -> list[tuple[str, str]]:
    """The pairs of a query string or URL-encoded form."""
    return parse_qsl(text, keep_blank_values=True, errors="reference_app.requote")


def default_stream_factory(
    total_content_length: int | None,
    content_type: str | None,
    filename: str | None,
    content_length: int | None = None,
) -> IO[bytes]:
    """A place for an uploaded file: in memory while it is small, then on disk."""
    # It is closed with the request that it belongs to.
    return SpooledTemporaryFile(max_size=MAX_FILE_IN_MEMORY, mode="rb+")


class FormDataParser:
    """Parses form data.

    :param stream_factory: makes the places for uploaded files.
    :param max_form_memory_size: of a field that is no file, in bytes.
    :param max_form_parts: fields and files together.
    :param cls: of the results.
    """

    def __init__(
        self,
        stream_factory: StreamFactory = default_stream_factory,
        max_form_memory_size: int | None = None,
        max_form_parts: int | None = None,
        cls: type[MultiDict[str, Any]] = ImmutableMultiDict,
    ) -> None:
        self.stream_factory = stream_factory
        self.max_form_memory_size = max_form_memory_size
        self.max_form_parts = max_form_parts
        self.cls = cls

    def parse(
        self,
        stream: IO[bytes],
        mimetype: str,
        content_length: int | None,
        options: dict[str, str],
    ) -> tuple[MultiDict[str, str], MultiDict[str, FileStorage]]:
        """The fields and the files of a body; none if it is malformed or no form.

        :param options: the parameters of the content type.
        :raises RequestEntityTooLarge: if a limit is exceeded.
        """
        try:
            if mimetype == "multipart/form-data":
                return self._parse_multipart(stream, content_length, options)
            if mimetype == "application/x-www-form-urlencoded":
                return self.cls(parse_query(stream.read().decode())), self.cls()
        except ParserLimitReached:
            raise RequestEntityTooLarge() from None
        except ValueError:
            # Malformed. That is the same as nothing: views see that a field is missing.
            pass
        return self.cls(), self.cls()

    def _parse_multipart(
        self, stream: IO[bytes], content_length: int | None, options: dict[str, str]
    ) -> tuple[MultiDict[str, str], MultiDict[str, FileStorage]]:
        fields: list[tuple[str, str]] = []
        files: list[tuple[str, FileStorage]] = []
        segment: Any = None
        container: IO[bytes] = BytesIO()
        size = 0
        parser = PushMultipartParser(
            options.get("boundary", ""),
            max_header_size=16 * 1024,
            max_segment_count=float("inf") if self.max_form_parts is None else self.max_form_parts,
        )
        try:
            for event in parser.parse_blocking(stream.read):
                if isinstance(event, MultipartSegment):
                    segment, size = event, 0
                    if segment.name is None:
                        raise MultipartError("A part has no name.")
                    if segment.filename is None:
                        container = BytesIO()
                    else:
                        container = self.stream_factory(
                            content_length, segment.content_type, segment.filename, None
                        )
                elif event is not None:
                    size += len(event)
                    limit = self.max_form_memory_size
                    if segment.filename is None and limit is not None and size > limit:
                        raise RequestEntityTooLarge()
                    container.write(event)
                else:
                    container.seek(0)
                    headers = Headers(segment.headerlist)
                    if segment.filename is not None:
                        file = FileStorage(
                            container, segment.filename, segment.name, None, None, headers
                        )
                        files.append((segment.name, file))
                    else:
                        charset = (segment.charset or "utf-8").lower()
                        charset = charset if charset in _charsets else "utf-8"
                        fields.append((segment.name, container.read().decode(charset, "replace")))
        except BaseException:
            container.close()
            for _, file in files:
                file.close()
            raise
        return self.cls(fields), self.cls(files)
