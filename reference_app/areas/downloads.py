"""Downloads: files that are sent, whole and in parts, and folders that nothing gets out of."""

from __future__ import annotations

import io
import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from reference_app.api import Blueprint, Flask, Response, request, send_file, send_from_directory
from reference_app.areas import journal
from reference_app.areas.responses import pattern

MODIFIED = datetime(2024, 2, 29, 12, 30, 15, tzinfo=UTC)
#: The size of the small file: a number that no block size divides.
SMALL = 1000
#: The size of the big file: many times what a socket takes at once.
BIG = 4 * 1024 * 1024 + 17
#: Below it lie the folder that is served, what lies beside it, and one whose name begins like it.
SHARED = Path(__file__).resolve().parents[1] / "shared"


class NotedFile(io.BytesIO):
    """A file that writes in the journal when it is closed by whoever was given it."""

    def __init__(self, content: bytes, key: str) -> None:
        super().__init__(content)
        self._key = key

    def close(self) -> None:
        if not self.closed:
            journal.record(self._key, "close")
        super().close()


def register(app: Flask) -> None:
    """Add the routes of this area. Those of the static files are the framework's own."""
    area = Blueprint("download", __name__, url_prefix="/response/file")

    @area.get("/<any(small, big):name>")
    def file(name: str) -> Response:
        """A file of 1000 or of 4194321 bytes, with an entity tag and a date, whole or in parts.

        Its content is lines of seven digits, which count from 0.
        """
        path = _stored(SMALL if name == "small" else BIG)
        return send_file(
            path, mimetype="application/octet-stream", etag="v1", last_modified=MODIFIED
        )

    @area.get("/attached")
    def attached() -> Response:
        """The text `attached` as a file to be saved under the name of the query."""
        return send_file(
            io.BytesIO(b"attached"), as_attachment=True, download_name=request.args["name"]
        )

    @area.get("/noted")
    def noted() -> Response:
        """A file that says in the journal that it was closed, also where nothing of it is sent."""
        return send_file(
            NotedFile(pattern(SMALL), request.args["key"]),
            mimetype="application/octet-stream",
            etag="v1",
        )

    @area.get("/max-age")
    def max_age() -> Response:
        """The small file, to be kept for an hour."""
        return send_file(_stored(SMALL), mimetype="text/plain", etag="v1", max_age=3600)

    @area.get("/by-query")
    def by_query() -> Response:
        """A file of the folder `inside`, named by the query; 404 for all that is not in it."""
        return send_from_directory(SHARED / "inside", request.args["name"])

    @area.get("/by-path/<path:name>")
    def by_path(name: str) -> Response:
        """A file of the folder `inside`, named by the path; 404 for all that is not in it."""
        return send_from_directory(SHARED / "inside", name)

    app.register_blueprint(area)


def _stored(size: int) -> Path:
    """A file of that size below the temporary directory, made by the first who needs it."""
    path = Path(tempfile.gettempdir()) / f"wsgi-conform-file-{size}"
    if not path.exists():
        # Under another name first: who else looks for it finds the whole file or none.
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(pattern(size))
        os.replace(file.name, path)
    return path
