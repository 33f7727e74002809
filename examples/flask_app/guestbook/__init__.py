"""A guestbook: an ordinary Flask application, which knows nothing of how it is tested."""

from __future__ import annotations

import hashlib
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flask import Flask, Response, current_app, g, request, session

#: Rows of the export that are sent in one piece.
ROWS_PER_PIECE = 1000


def create_app() -> Flask:
    """Make the application; GUESTBOOK_SECRET_KEY and GUESTBOOK_DATABASE configure it."""
    app = Flask(__name__)
    app.config["DATABASE"] = str(Path(tempfile.gettempdir()) / "guestbook.sqlite")
    app.config.from_prefixed_env("GUESTBOOK")
    with sqlite3.connect(app.config["DATABASE"]) as database:
        database.execute("CREATE TABLE IF NOT EXISTS entries (id INTEGER PRIMARY KEY, text TEXT)")
    app.teardown_appcontext(_close_database)
    app.add_url_rule("/entries", view_func=write, methods=["POST"])
    app.add_url_rule("/entries/<int:entry>", view_func=read)
    app.add_url_rule("/export", view_func=export)
    app.add_url_rule("/pictures", view_func=upload, methods=["POST"])
    app.add_url_rule("/me", view_func=me)
    return app


def _database() -> sqlite3.Connection:
    if "database" not in g:
        g.database = sqlite3.connect(current_app.config["DATABASE"], timeout=30)
    found: sqlite3.Connection = g.database
    return found


def _close_database(error: BaseException | None) -> None:
    if "database" in g:
        g.pop("database").close()


def write() -> tuple[dict[str, Any], int]:
    """Write an entry; the visitor's session counts them."""
    with _database() as database:
        row = database.execute("INSERT INTO entries (text) VALUES (?)", [request.form["text"]])
    session["written"] = session.get("written", 0) + 1
    return {"id": row.lastrowid}, 201


def read(entry: int) -> tuple[dict[str, Any], int]:
    """Read an entry."""
    row = _database().execute("SELECT text FROM entries WHERE id = ?", [entry]).fetchone()
    return ({"text": row[0]}, 200) if row else ({"error": "there is no such entry"}, 404)


def export() -> Response:
    """A table of so many rows, made while it is sent."""
    rows = request.args.get("rows", 100, type=int)

    def pieces() -> Iterator[str]:
        for start in range(0, rows, ROWS_PER_PIECE):
            piece = range(start, min(start + ROWS_PER_PIECE, rows))
            yield "".join(f"{row},an entry of the guestbook\n" for row in piece)

    return Response(pieces(), mimetype="text/csv")


def upload() -> dict[str, Any]:
    """Say what a picture is; a large one is not held in memory."""
    picture = request.files["picture"]
    digest = hashlib.file_digest(picture.stream, "sha256")  # type: ignore[arg-type]
    return {"name": picture.filename, "size": picture.stream.tell(), "sha256": digest.hexdigest()}


def me() -> dict[str, Any]:
    """What is known of the visitor."""
    return {"address": request.remote_addr, "written": session.get("written", 0)}
