"""Requests: what a view finds in one, of its body, its header and its URL.

The views say what they find and judge nothing. Two more applications serve the same views: one that
limits what a body may be, one that answers to some hosts only.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reference_app.api import Blueprint, Flask, Response, g, jsonify, make_response, request

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

#: Where the applications with another configuration are, and what that is.
CONFIGURED: dict[str, dict[str, Any]] = {
    "/request-limited": {
        "MAX_CONTENT_LENGTH": 2000,
        "MAX_FORM_MEMORY_SIZE": 100_000,
        "MAX_FORM_PARTS": 4,
    },
    "/request-trusted": {"TRUSTED_HOSTS": ["wsgi-conform.test", ".trusted.example"]},
}
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
#: How many bytes of a file are shown, beside its digest.
SHOWN = 400
BLOCK = 8192


def register(app: Flask) -> None:
    """Add the routes of this area, and the applications that are configured otherwise."""
    app.register_blueprint(_blueprint("/request"))
    for prefix, values in CONFIGURED.items():
        other = type(app)(prefix.strip("/"))
        other.config.update(values)
        other.register_blueprint(_blueprint(prefix))
        app.wsgi_app = _Dispatcher(app.wsgi_app, prefix, other)  # type: ignore[method-assign]


class _Dispatcher:
    """An application, and another one for the paths below a prefix."""

    def __init__(self, first: WSGIApplication, prefix: str, second: WSGIApplication) -> None:
        self._first = first
        self._prefix = prefix
        self._second = second

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        of_second = environ.get("PATH_INFO", "").startswith(f"{self._prefix}/")
        return (self._second if of_second else self._first)(environ, start_response)


def _file(file: Any) -> dict[str, Any]:
    """What there is of an uploaded file; leaves it at its beginning."""
    data = file.read()
    file.seek(0)
    return {
        "name": file.name,
        "filename": file.filename,
        "content_type": file.content_type,
        "mimetype": file.mimetype,
        "mimetype_params": file.mimetype_params,
        "headers": [list(field) for field in file.headers],
        "size": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "start": data[:SHOWN].decode("latin-1"),
    }


def shown(value: Any) -> Any:
    """A value of the request as JSON has it: bytes as latin-1, several values of a key as pairs."""
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, datetime):
        return value.isoformat()
    if hasattr(value, "lists"):
        return [[key, [shown(item) for item in items]] for key, items in value.lists()]
    if hasattr(value, "getlist"):
        return [list(field) for field in value]
    if hasattr(value, "filename"):
        return _file(value)
    if value is None or isinstance(value, bool | int | float | str | dict):
        return value
    if isinstance(value, list | tuple):
        return [shown(item) for item in value]
    return str(value)


#: The ways to get at the body; a view tries them in the order of the query.
STEPS: dict[str, Callable[[], Any]] = {
    "data": lambda: request.data,
    "form": lambda: request.form,
    "files": lambda: request.files,
    "values": lambda: request.values,
    "json": lambda: request.json,
    "get_json:silent": lambda: request.get_json(silent=True),
    "get_json:force": lambda: request.get_json(force=True),
    "get_data": lambda: request.get_data(),
    "get_data:uncached": lambda: request.get_data(cache=False),
    "get_data:text": lambda: request.get_data(as_text=True),
    "get_data:parsed": lambda: request.get_data(parse_form_data=True),
    "stream:all": lambda: request.stream.read(),
    "stream:5": lambda: request.stream.read(5),
    "stream:line": lambda: request.stream.readline(),
    "stream:lines": lambda: list(request.stream),
}


def _authorization() -> Any:
    found = request.authorization
    if found is None:
        return None
    return {
        "type": found.type,
        "username": found.username,
        "password": found.password,
        "token": found.token,
        "parameters": dict(found.parameters),
    }


def _conditions() -> dict[str, Any]:
    wanted = request.range
    return {
        "if_match": {tag: request.if_match.contains(tag) for tag in request.args.getlist("tag")},
        "if_none_match": {
            tag: [request.if_none_match.contains(tag), request.if_none_match.contains_weak(tag)]
            for tag in request.args.getlist("tag")
        },
        "if_modified_since": shown(request.if_modified_since),
        "if_unmodified_since": shown(request.if_unmodified_since),
        "if_range": [request.if_range.etag, shown(request.if_range.date)],
        "range": None if wanted is None else [wanted.units, shown(wanted.ranges)],
        "range_of_100": None if wanted is None else shown(wanted.range_for_length(100)),
    }


def _matched(**arguments: object) -> Response:
    rule = request.url_rule
    return jsonify(
        endpoint=request.endpoint,
        blueprint=request.blueprint,
        blueprints=list(request.blueprints),
        view_args=request.view_args,
        arguments=arguments,
        rule=None if rule is None else str(rule),
        before=g.get("seen_before"),
    )


def _blueprint(prefix: str) -> Blueprint:
    area = Blueprint("request", __name__, url_prefix=prefix)

    @area.before_request
    def note() -> None:
        g.seen_before = [request.endpoint, request.view_args]
        for name in ("max_content_length", "max_form_memory_size", "max_form_parts"):
            if name in request.args:
                setattr(request, name, request.args.get(name, type=int))

    @area.route("/show/<path:names>", methods=METHODS)
    def show(names: str) -> Response:
        """The attributes of the request that the path names, bytes as latin-1, files by their
        hashes."""
        return jsonify({name: shown(getattr(request, name)) for name in names.split("/")})

    @area.route("/steps", methods=METHODS)
    def steps() -> Response:
        """Get at the body by the steps that the query names, and say what each gave."""
        return jsonify([shown(STEPS[step]()) for step in request.args.getlist("do")])

    @area.post("/unread")
    def unread() -> str:
        """Answer without looking at the body."""
        return "the body was not looked at"

    @area.post("/digest")
    def digest() -> Response:
        """Read the body in blocks, and give its size and its hash."""
        size, found = 0, hashlib.sha256()
        while block := request.stream.read(BLOCK):
            size += len(block)
            found.update(block)
        return jsonify(size=size, sha256=found.hexdigest())

    @area.post("/saved")
    def saved() -> Response:
        """Save the files of a form, and give their hashes by the names of their fields."""
        digests = {}
        with tempfile.TemporaryDirectory() as folder:
            for name, file in request.files.items():
                path = Path(folder) / "saved"
                file.save(path)
                digests[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        return jsonify(digests)

    @area.get("/under/<path:rest>")
    def under(rest: str) -> Response:
        """What the request says of its path, its URL and its query."""
        return jsonify(
            path=request.path,
            full_path=request.full_path,
            url=request.url,
            base_url=request.base_url,
            query_string=shown(request.query_string),
        )

    @area.get("/typed")
    def typed() -> Response:
        """Read a number from the query in the ways that there are."""
        return jsonify(
            number=request.args.get("number", type=int),
            or_default=request.args.get("number", 7, type=int),
            missing=request.args.get("missing"),
            numbers=request.args.getlist("number", type=int),
        )

    @area.get("/field/<name>")
    def field(name: str) -> Response:
        """Find a field by a name, whatever its case."""
        return jsonify(
            found=request.headers.get(name),
            contained=name in request.headers,
            number=request.headers.get(name, -1, type=int),
        )

    @area.get("/accept/<kind>")
    def accept(kind: str) -> Response:
        """Choose among offers by an `Accept` field."""
        accepted = getattr(request, f"accept_{kind}")
        offers = request.args.getlist("offer")
        return jsonify(
            best=accepted.best_match(offers),
            contained=[offer in accepted for offer in offers],
            quality=[accepted.quality(offer) for offer in offers],
        )

    @area.get("/conditions")
    def conditions() -> Response:
        """The conditions of a request: entity tags, dates, the range."""
        return jsonify(_conditions())

    @area.get("/authorization")
    def authorization() -> Response:
        """The credentials of a request, taken apart, or null."""
        return jsonify(found=_authorization())

    @area.get("/cache-control")
    def cache_control() -> Response:
        """The cache directives of a request."""
        control = request.cache_control
        return jsonify(no_cache=control.no_cache, max_age=control.max_age)

    @area.post("/cookie")
    def set_cookie() -> Response:
        """Set a cookie to the text in the body."""
        response = make_response("set")
        response.set_cookie("value", request.get_json())
        return response

    @area.get("/matched/<int:number>/<word>")
    def matched(number: int, word: str) -> Response:
        """The rule that was matched: its endpoint, its blueprints, its arguments, as seen by a hook
        as well."""
        return _matched(number=number, word=word)

    inner = Blueprint("inner", __name__, url_prefix="/inner")

    @inner.get("/matched")
    def matched_within() -> Response:
        """The rule that was matched in a blueprint within another."""
        return _matched()

    area.register_blueprint(inner)
    return area
