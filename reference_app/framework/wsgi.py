"""Reading a WSGI environ (PEP 3333): text, host, URL and body.

The body is never read further than the request goes, and not further than the application allows.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from functools import lru_cache
from typing import IO, Any
from urllib.parse import quote, unquote_to_bytes, urlsplit, urlunsplit
from wsgiref.types import WSGIEnvironment

from .exceptions import ClientDisconnected, RequestEntityTooLarge, SecurityError
from .http import URL_PATH_SAFE, parse_content_length

# A name, an IPv4 address or an IPv6 address in brackets; then perhaps a port.
_host_re = re.compile(
    r"([a-z0-9.-]+|\[[a-f0-9]*:[a-f0-9.:]+\])(?::([1-9][0-9]{0,4}))?", re.ASCII | re.IGNORECASE
)


def decode_text(text: str) -> str:
    """Text of an environ, which is bytes as latin-1 (PEP 3333), as the UTF-8 that it stands for."""
    return text if text.isascii() else text.encode("latin-1").decode(errors="replace")


def encode_text(text: str) -> str:
    """The inverse of `decode_text`."""
    return text if text.isascii() else text.encode().decode("latin-1")


# Cached because every request asks, and nearly always for the same host. The cache is bounded, so
# a client that makes hosts up only pushes out its own.
@lru_cache(maxsize=64)
def clean_host(scheme: str, host: str) -> str:
    """A host without the usual port of the scheme; "" if it is no host."""
    if scheme in ("http", "ws"):
        host = host.removesuffix(":80")
    elif scheme in ("https", "wss"):
        host = host.removesuffix(":443")
    match = _host_re.fullmatch(host)
    if match is None or (match[2] and int(match[2]) > 65535):
        return ""
    return host


def get_host(environ: WSGIEnvironment, trusted_hosts: Collection[str] | None = None) -> str:
    """The host that a request is for: of its Host field, or else of the server.

    :param trusted_hosts: names; one that starts with a dot means itself and its subdomains.
    :return: with the port if it is not the usual one of the scheme; "" if it is no host.
    :raises SecurityError: if the host is none of the trusted ones.
    """
    header = environ.get("HTTP_HOST")
    if header is None:
        header = _server_host(environ)
    host = clean_host(environ["wsgi.url_scheme"], header)
    if trusted_hosts and not is_trusted_host(host, trusted_hosts):
        raise SecurityError(f"Host {host!r} is not trusted.")
    return host


def _server_host(environ: WSGIEnvironment) -> str:
    name, port = environ.get("SERVER_NAME"), environ.get("SERVER_PORT")
    if name is None or port is None or not port.isdigit():
        return ""
    return f"[{name}]:{port}" if ":" in name and name[0] != "[" else f"{name}:{port}"


def is_trusted_host(host: str, trusted_hosts: Collection[str]) -> bool:
    """Whether a host, which may have a port, is one of the trusted ones."""
    name = host[: host.rindex(":")] if re.search(r":\d+$", host) else host
    for trusted in [trusted_hosts] if isinstance(trusted_hosts, str) else trusted_hosts:
        with_subdomains = trusted.startswith(".")
        trusted = trusted.lstrip(".").partition(":")[0].encode("idna").decode("ascii")
        if name == trusted or (with_subdomains and name.endswith(f".{trusted}")):
            return True
    return False


def get_current_url(
    scheme: str,
    host: str,
    root_path: str | None = None,
    path: str | None = None,
    query_string: bytes | None = None,
) -> str:
    """The URL of a request as an IRI, as much of it as is given."""
    host = host.lower()
    url = f"{scheme}://{host}/"
    if root_path is not None:
        root = quote(root_path.rstrip("/"), safe="%" + URL_PATH_SAFE)
        url = f"{scheme}://{host}{root}/"
        if path is not None:
            url += quote(path.lstrip("/"), safe="%" + URL_PATH_SAFE)
            if query_string:
                url += "?" + quote(query_string, safe="?%" + URL_PATH_SAFE)
    return uri_to_iri(url)


# Bytes that mean something in a URL, or nothing in print, stay as they were written.
_kept_escapes = {*range(0x21), *b"%/?#[]@!$&'()*+,;:=<>\"\\^`{|}", 0x7F}
_escapes_re = re.compile("(?:%[0-9a-fA-F]{2})+")


def _unquote_readable(text: str) -> str:
    def replace(match: re.Match[str]) -> str:
        kept = b"".join(
            b"%%%02X" % byte if byte in _kept_escapes else bytes([byte])
            for byte in unquote_to_bytes(match[0])
        )
        try:
            return kept.decode()
        except UnicodeDecodeError:
            return match[0]

    return _escapes_re.sub(replace, text)


def uri_to_iri(uri: str) -> str:
    """A URI as people read it: decoded as far as it keeps its meaning (RFC 3987 section 3.2)."""
    if "%" not in uri and "xn--" not in uri:
        return uri
    parts = urlsplit(uri)
    host = parts.netloc
    if "xn--" in host:
        with suppress(UnicodeError):
            host = host.encode("ascii").decode("idna")
    path, query, fragment = map(_unquote_readable, (parts.path, parts.query, parts.fragment))
    return urlunsplit((parts.scheme, host, path, query, fragment))


def iri_to_uri(iri: str) -> str:
    """An IRI as HTTP sends it: ASCII only (RFC 3987 section 3.1)."""
    parts = urlsplit(iri)
    netloc = parts.netloc
    if not netloc.isascii():
        user, at, host = netloc.rpartition("@")
        name, colon, port = host.partition(":")
        netloc = f"{quote(user, safe='%:')}{at}{name.encode('idna').decode()}{colon}{port}"
    path = quote(parts.path, safe="%" + URL_PATH_SAFE)
    query = quote(parts.query, safe="%?" + URL_PATH_SAFE)
    fragment = quote(parts.fragment, safe="%?#" + URL_PATH_SAFE)
    return urlunsplit((parts.scheme, netloc, path, query, fragment))


def get_content_length(environ: WSGIEnvironment) -> int | None:
    """The bytes of the body, or None if that is not announced."""
    return parse_content_length(
        environ.get("CONTENT_LENGTH"), environ.get("HTTP_TRANSFER_ENCODING")
    )


def get_input_stream(environ: WSGIEnvironment, max_content_length: int | None = None) -> IO[bytes]:
    """The body of a request as a stream that ends where the body ends.

    A body without an announced length can be read only if the server says that the stream ends by
    itself (`wsgi.input_terminated`, as for chunked bodies); otherwise it counts as empty, because
    reading it might wait forever.

    :param max_content_length: in bytes.
    :raises RequestEntityTooLarge: now or on reading, if the body is larger than that.
    """
    stream: IO[bytes] = environ["wsgi.input"]
    length = get_content_length(environ)
    if length is not None and max_content_length is not None and length > max_content_length:
        raise RequestEntityTooLarge()
    if environ.get("wsgi.input_terminated"):
        if max_content_length is None:
            return stream
        return _as_file(LimitedStream(stream, max_content_length, is_max=True))
    if length is None:
        return io.BytesIO()
    return _as_file(LimitedStream(stream, length))


def _as_file(stream: LimitedStream) -> IO[bytes]:
    return stream  # type: ignore[return-value]


class LimitedStream(io.RawIOBase):
    """A stream that reads a number of bytes from another one and then ends.

    :param limit: in bytes.
    :param is_max: the other stream ends by itself; going on after the limit is an error.
    :raises ClientDisconnected: on reading, if the other stream fails, or ends before the limit.
    :raises RequestEntityTooLarge: on reading, if `is_max` and there is more than the limit.
    """

    def __init__(self, stream: IO[bytes], limit: int, is_max: bool = False) -> None:
        self._stream = stream
        self._position = 0
        self.limit = limit
        self._is_max = is_max

    @property
    def is_exhausted(self) -> bool:
        """Whether the limit is reached."""
        return self._position >= self.limit

    def readinto(self, buffer: Any) -> int:
        wanted = len(buffer)
        remaining = self.limit - self._position
        if remaining <= 0:
            if self._is_max and wanted and self._stream.read(1):
                raise RequestEntityTooLarge()
            return 0
        try:
            data = self._stream.read(min(wanted, remaining))
        except OSError as error:
            raise ClientDisconnected() from error
        if not data and wanted and not self._is_max:
            raise ClientDisconnected()
        self._position += len(data)
        buffer[: len(data)] = data
        return len(data)

    def readall(self) -> bytes:
        chunks = []
        while chunk := self.read(64 * 1024):
            chunks.append(chunk)
        return b"".join(chunks)

    def exhaust(self) -> None:
        """Read to the end and forget it."""
        while self.read(64 * 1024):
            pass

    def tell(self) -> int:
        return self._position

    def readable(self) -> bool:
        return True


class ClosingIterator:
    """An iterable that calls functions when it is closed, as a server has to (PEP 3333).

    :param iterable: closed first, if it can be.
    :param callbacks: called without arguments, in this order.
    """

    def __init__(
        self, iterable: Iterable[bytes], callbacks: Iterable[Callable[[], Any]] = ()
    ) -> None:
        self._next = iter(iterable).__next__
        self._callbacks = list(callbacks)
        close = getattr(iterable, "close", None)
        if close is not None:
            self._callbacks.insert(0, close)

    def __iter__(self) -> ClosingIterator:
        return self

    def __next__(self) -> bytes:
        return self._next()

    def close(self) -> None:
        """Call the functions."""
        for callback in self._callbacks:
            callback()


class FileWrapper:
    """A file as an iterable of blocks, where the server has no `wsgi.file_wrapper`.

    :param buffer_size: of a block, in bytes.
    """

    def __init__(self, file: IO[bytes], buffer_size: int = 8192) -> None:
        self.file = file
        self.buffer_size = buffer_size

    def close(self) -> None:
        """Close the file."""
        self.file.close()

    def seekable(self) -> bool:
        """Whether the file is."""
        return self.file.seekable()

    def seek(self, position: int) -> None:
        """Go on from a position, in bytes."""
        self.file.seek(position)

    def __iter__(self) -> Iterator[bytes]:
        return iter(lambda: self.file.read(self.buffer_size), b"")


def wrap_file(
    environ: WSGIEnvironment, file: IO[bytes], buffer_size: int = 8192
) -> Iterable[bytes]:
    """The file as a body, by the server's `wsgi.file_wrapper` if it has one."""
    wrapper = environ.get("wsgi.file_wrapper", FileWrapper)
    wrapped: Iterable[bytes] = wrapper(file, buffer_size)
    return wrapped


class RangeWrapper:
    """A slice of a body.

    :param start: first byte.
    :param length: in bytes.
    """

    def __init__(self, iterable: Iterable[bytes], start: int, length: int) -> None:
        self.iterable = iterable
        self.start = start
        self.length = length

    def __iter__(self) -> Iterator[bytes]:
        skip, remaining = self.start, self.length
        seek = getattr(self.iterable, "seek", None)
        seekable = getattr(self.iterable, "seekable", None)
        if seek is not None and seekable is not None and seekable():
            seek(skip)
            skip = 0
        for block in self.iterable:
            if skip:
                dropped = min(skip, len(block))
                block = block[dropped:]
                skip -= dropped
            if block:
                yield block[:remaining]
                remaining -= len(block[:remaining])
            if not remaining:
                break

    def close(self) -> None:
        """Close the body."""
        close = getattr(self.iterable, "close", None)
        if close is not None:
            close()
