"""Sending files: with type, entity tag, caching, conditions and ranges."""

from __future__ import annotations

import io
import mimetypes
import os
import posixpath
import time
import unicodedata
from collections.abc import Callable
from datetime import datetime
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import quote
from zlib import adler32

from .datastructures import Headers
from .exceptions import NotFound, RequestedRangeNotSatisfiable
from .globals import current_app, request
from .wsgi import wrap_file

if TYPE_CHECKING:
    from .response import Response

# Separators of other systems: a path with one of them could lead out of a folder.
_other_separators = [sep for sep in (os.sep, os.altsep) if sep is not None and sep != "/"]


def safe_join(directory: str, *pathnames: str) -> str | None:
    """A path below a directory, or None if it would lie outside of it."""
    parts = [directory or "."]
    for name in pathnames:
        if name:
            name = posixpath.normpath(name)
        if (
            any(sep in name for sep in _other_separators)
            or os.path.isabs(name)
            or name.startswith("/")
            or name == ".."
            or name.startswith("../")
            or "\0" in name
        ):
            return None
        parts.append(name)
    return posixpath.join(*parts)


def _disposition(download_name: str, as_attachment: bool) -> tuple[str, dict[str, str]]:
    """The Content-Disposition of a file: its kind, and the file name (RFC 6266, RFC 8187)."""
    names = {"filename": download_name}
    if not download_name.isascii():
        simple = unicodedata.normalize("NFKD", download_name).encode("ascii", "ignore")
        quoted = quote(download_name, safe="!#$&+-.^_`|~")
        names = {"filename": simple.decode("ascii"), "filename*": f"UTF-8''{quoted}"}
    return ("attachment" if as_attachment else "inline"), names


def send_file(
    path_or_file: str | os.PathLike[str] | IO[bytes],
    mimetype: str | None = None,
    as_attachment: bool = False,
    download_name: str | None = None,
    conditional: bool = True,
    etag: bool | str = True,
    last_modified: datetime | float | None = None,
    max_age: int | Callable[[str | None], int | None] | None = None,
) -> Response:
    """A response with a file. Never pass a path that a client chose; see `send_from_directory`.

    :param path_or_file: a path, below the application's root unless absolute, or a binary file.
    :param mimetype: by default guessed from the name.
    :param as_attachment: offer to save it instead of showing it.
    :param download_name: the name it is offered under; by default its own.
    :param conditional: answer conditions and ranges.
    :param etag: an entity tag, or whether to make one (for a path).
    :param last_modified: a date or seconds since the epoch; by default that of the path.
    :param max_age: seconds it may be cached, or a function of the path; None as configured.
    :raises TypeError: if there is no name to guess the type from, or to attach it under.
    :raises ValueError: if a file is in text mode.
    :raises RequestedRangeNotSatisfiable: if a range is asked for that it does not have.
    """
    environ = request.environ
    path: str | None = None
    file: IO[bytes] | None = None
    size: int | None = None
    modified: float | None = None
    headers = Headers()

    if isinstance(path_or_file, (str, os.PathLike)):
        path = os.path.join(current_app.root_path, path_or_file)
        stat = os.stat(path)
        size, modified = stat.st_size, stat.st_mtime
        if download_name is None:
            download_name = os.path.basename(path)
    else:
        file = path_or_file
        if isinstance(file, io.TextIOBase):
            raise ValueError(
                "You passed a file in text mode to send_file(). Files must be opened in binary"
                " mode ('rb'); use BytesIO for text that you made."
            )
        if isinstance(file, io.BytesIO):
            size = file.getbuffer().nbytes

    if mimetype is None:
        if download_name is None:
            raise TypeError(
                "You passed a file without a name to send_file(), so its MIME type cannot be"
                " guessed. Set 'mimetype' or 'download_name', or pass a path."
            )
        mimetype, encoding = mimetypes.guess_type(download_name)
        if mimetype is None:
            mimetype = "application/octet-stream"
        if encoding is not None and not as_attachment:
            headers.set("Content-Encoding", encoding)

    if download_name is not None:
        kind, names = _disposition(download_name, as_attachment)
        headers.set("Content-Disposition", kind, **names)
    elif as_attachment:
        raise TypeError(
            "You passed a file without a name to send_file() as an attachment. Set 'download_name',"
            " or pass a path."
        )

    body: Any = None
    if current_app.config["USE_X_SENDFILE"] and path is not None:
        headers["X-Sendfile"] = path
    else:
        if file is None:
            assert path is not None
            # The response closes it.
            file = open(path, "rb")  # noqa: SIM115
        body = wrap_file(environ, file)

    response = current_app.response_class(
        body, mimetype=mimetype, headers=headers, direct_passthrough=True
    )
    if size is not None:
        response.content_length = size
    if last_modified is not None:
        response.last_modified = last_modified
    elif modified is not None:
        response.last_modified = modified
    _set_caching(response, path, max_age)
    if isinstance(etag, str):
        response.set_etag(etag)
    elif etag and path is not None:
        response.set_etag(f"{modified}-{size}-{adler32(path.encode()) & 0xFFFFFFFF}")
    if conditional:
        try:
            response = response.make_conditional(environ, True, size)
        except RequestedRangeNotSatisfiable:
            if file is not None:
                file.close()
            raise
        if response.status_code == 304:
            # A server would send the file all the same.
            response.headers.remove("X-Sendfile")
    return response


def _set_caching(response: Response, path: str | None, max_age: Any) -> None:
    if max_age is None:
        max_age = current_app.get_send_file_max_age
    if callable(max_age):
        max_age = max_age(path)
    # Without an age, caches have to ask every time, which costs a 304.
    response.cache_control.no_cache = True
    if max_age is not None:
        if max_age > 0:
            response.cache_control.no_cache = None
            response.cache_control.public = True
        response.cache_control.max_age = max_age
        response.expires = int(time.time() + max_age)


def send_from_directory(
    directory: str | os.PathLike[str], path: str | os.PathLike[str], **kwargs: Any
) -> Response:
    """A response with a file from a directory, safe for paths that clients choose.

    :param directory: below the application's root unless absolute.
    :param path: of the file, below it; other arguments as for `send_file`.
    :raises NotFound: if there is no such file, or if it would lie outside of the directory.
    """
    joined = safe_join(os.fspath(directory), os.fspath(path))
    if joined is None:
        raise NotFound()
    joined = os.path.join(current_app.root_path, joined)
    if not os.path.isfile(joined):
        raise NotFound()
    return send_file(joined, **kwargs)
