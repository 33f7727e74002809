"""Responses: what views return, what they say in fields and cookies, and how streams are sent."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

from reference_app.api import (
    Blueprint,
    Flask,
    Response,
    jsonify,
    make_response,
    redirect,
    request,
)
from reference_app.areas import journal

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

#: More bytes than characters, of two, three and four bytes each.
TEXT = "Gr\xfc\xdfe, \u65e5\u672c, \U0001f600"
MOMENT = datetime(2024, 2, 29, 12, 30, 15, tzinfo=UTC)
#: Seconds until a stream gives up that waits for its client, if the query says nothing else.
PATIENCE_S = 5.0
#: What the big stream sends: pieces of every kind of size, the empty one included.
PIECES = [1, 0, 8191, 8192, 8193, 0, 65535, 65536, 65537, 300_000, 2, 500_000, 31_415]


def register(app: Flask) -> None:
    """Add the routes of this area."""
    area = Blueprint("response", __name__, url_prefix="/response")
    _add_bodies(area)
    _add_heads(area)
    _add_cookies(area)
    _add_streams(area)
    app.register_blueprint(area)


def pattern(length: int) -> bytes:
    """Bytes of which no two blocks are alike, so that a lost or doubled one shows in the hash."""
    blocks = (b"%07d\n" * 512 % tuple(range(n, n + 512)) for n in range(0, length // 8 + 1, 512))
    return b"".join(blocks)[:length]


def _wsgi_application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("203 By Callable", [("Content-Type", "text/x-callable"), ("X-From", "callable")])
    return [b"from ", b"a callable"]


def _made() -> Response:
    response = make_response(TEXT, 202, {"X-Made": "yes"})
    response.mimetype = "text/plain"
    return response


#: What a view may return, by name; made for each request because an iterator is used up by one.
BODIES: dict[str, Callable[[], Any]] = {
    "str": lambda: TEXT,
    "bytes": lambda: b"\x00\xff\r\n\r\nbytes",
    "empty": lambda: "",
    "dict": lambda: {"text": TEXT, "none": None, "nested": {"list": [1, 2.5, True]}},
    "list": lambda: [1, "two", {"three": 3}],
    "generator-of-text": lambda: (piece for piece in ("Gr\xfc\xdfe", ", ", "\u65e5\u672c")),
    "generator-of-bytes": lambda: (piece for piece in (b"one;", b"two;", b"\xff")),
    "iterator": lambda: iter(["one;", "two;"]),
    "response": lambda: Response(b"as it is", status=207, mimetype="text/x-own"),
    "make-response": _made,
    "callable": lambda: _wsgi_application,
    "status": lambda: ("accepted", 202),
    "status-line": lambda: ("fine", "299 Fine By Me"),
    "headers": lambda: ("headers", {"X-One": "1"}),
    "header-pairs": lambda: ("pairs", [("X-Several", "1"), ("X-Several", "2")]),
    "header-lists": lambda: ("lists", {"X-Several": ["1", "2"]}),
    "status-and-headers": lambda: ("both", 201, {"X-One": "1", "Content-Type": "text/x-both"}),
    "response-and-more": lambda: (
        Response("overridden", status=400, headers={"X-One": "0", "X-Kept": "kept"}),
        203,
        {"X-One": "1"},
    ),
    "json-and-status": lambda: ({"created": True}, 201),
}


def _add_bodies(area: Blueprint) -> None:
    @area.get("/body/<kind>")
    def body(kind: str) -> Any:
        """Return what the kind says, of all that a view may return."""
        return BODIES[kind]()

    @area.get("/json-types")
    def json_types() -> Response:
        """JSON of what JSON has no type for: dates, decimals, UUIDs."""
        return jsonify(
            datetime=MOMENT,
            date=date(2024, 2, 29),
            decimal=Decimal("1.10"),
            uuid=UUID("12345678-1234-5678-1234-567812345678"),
            text="<&>'\u2028",
        )

    @area.get("/type/<name>")
    def content_type(name: str) -> Response:
        """Text or bytes with a content type of their own."""
        if name == "text":
            return Response("a,b", mimetype="text/csv")
        if name == "binary":
            return Response(b"\x89PNG", mimetype="image/png")
        return Response(b"\xe9", content_type="text/plain; charset=iso-8859-1")

    @area.get("/status/<int:code>")
    def status(code: int) -> Any:
        """A body with the status in the path."""
        return Response("body", status=code, mimetype="text/plain")

    @area.route("/without-body/<int:code>", methods=["GET", "DELETE"])
    def without_body(code: int) -> Any:
        """Return a body with a status that has none: nothing of it is sent."""
        return "this must not be sent", code

    @area.get("/replaced")
    def replaced() -> Response:
        """A response whose body was replaced by a longer one, with its length."""
        response = make_response("short")
        response.data = TEXT * 10
        return response

    @area.get("/encoded")
    def encoded() -> Response:
        """Lines of seven digits, 4096 bytes, which are compressed already and say so."""
        response = Response(gzip.compress(pattern(4096), mtime=0), mimetype="text/plain")
        response.content_encoding = "gzip"
        response.vary.add("Accept-Encoding")
        return response

    @area.get("/compressible")
    def compressible() -> Response:
        """A body that would compress well, and that nobody compresses."""
        return Response(b"again and again, " * 2000, mimetype="text/plain")


def _add_heads(area: Blueprint) -> None:
    @area.get("/fields/caching")
    def caching() -> Response:
        """Fields for caches."""
        response = Response("cached")
        response.cache_control.public = True
        response.cache_control.max_age = 3600
        response.cache_control.must_revalidate = True
        response.expires = MOMENT
        response.last_modified = MOMENT
        response.age = 7
        response.vary.update(["Accept-Language", "Cookie"])
        return response

    @area.get("/fields/challenge")
    def challenge() -> Response:
        """Two challenges, in two fields of a name."""
        response = Response("who are you?", status=401)
        response.headers.add("WWW-Authenticate", 'Basic realm="a, b", charset="UTF-8"')
        response.headers.add("WWW-Authenticate", 'Bearer realm="wsgi-conform"')
        return response

    @area.get("/fields/representation")
    def representation() -> Response:
        """Fields of a representation, some with characters that have to be encoded."""
        response = Response("repr\xe9sentation", mimetype="text/plain")
        response.content_language.update(["cy", "en-GB"])
        response.content_location = "/response/fields/\xe9"
        response.headers.set("Content-Disposition", "attachment", filename='a "b".txt')
        response.headers["Content-Security-Policy"] = "default-src 'self'; img-src *"
        response.headers["Link"] = '</style.css>; rel="preload"; as=style, </a,b>; rel=next'
        return response

    @area.get("/fields/unavailable")
    def unavailable() -> Response:
        """503 with the time to wait."""
        response = Response("later", status=503)
        response.retry_after = 120
        return response

    @area.get("/fields/not-allowed")
    def not_allowed() -> Response:
        """405 with the methods that are allowed."""
        response = Response("not so", status=405)
        response.allow.update(["GET", "PATCH"])
        return response

    @area.get("/fields/changed")
    def changed() -> Response:
        """Fields that were set, added, removed and replaced, whatever the case of their names."""
        response = Response("changed", headers={"X-Set": "first", "X-Removed": "1"})
        response.headers["x-SET"] = "second"
        response.headers.add("X-Added", "1")
        response.headers.add("x-added", "2")
        del response.headers["X-REMOVED"]
        response.headers.setdefault("X-SET", "third")
        response.headers.setdefault("X-Default", "default")
        return response

    @area.get("/fields/long")
    def long_field() -> Response:
        """A field whose value is 8192 bytes long."""
        return Response("long", headers={"X-Long": "0123456789abcdef" * 512})

    @area.get("/fields/many")
    def many_fields() -> Response:
        """Eighty fields."""
        return Response("many", headers=[(f"X-Number-{n}", str(n)) for n in range(80)])

    @area.get("/injected/<place>")
    def injected(place: str) -> Response:
        """Put a line end into a field or a location: 500; into a cookie: it is quoted."""
        value = "a\r\nX-Injected: yes\r\n\r\ninjected"
        if place == "location":
            return redirect(f"/{value}")
        response = Response("safe")
        if place == "cookie":
            response.set_cookie("injected", value)
        else:
            response.headers["X-Value"] = value
        return response

    @area.get("/redirect")
    def redirected() -> Response:
        """Redirect to where the query says."""
        # Everything but the code comes from the query, as in applications that redirect back.
        return redirect(request.args["to"], code=int(request.args.get("code", "302")))

    @area.route("/conditional", methods=["GET", "POST"])
    def conditional() -> Response:
        """A representation with an entity tag and a date: whole, or 304, or 412, as the request
        asks."""
        response = Response("the representation", mimetype="text/plain")
        response.set_etag("v1", weak="weak" in request.args)
        response.last_modified = MOMENT
        response.expires = MOMENT
        response.cache_control.max_age = 60
        response.vary.add("Accept")
        response.content_location = "/response/conditional"
        return response.make_conditional(request)


def _add_cookies(area: Blueprint) -> None:
    attributes: dict[str, dict[str, Any]] = {
        "plain": {},
        "path": {"path": "/response"},
        "no-path": {"path": None},
        "domain": {"domain": "wsgi-conform.test"},
        "secure": {"secure": True, "httponly": True},
        "same-site": {"samesite": "Strict"},
        "max-age": {"max_age": 3600},
        "expires": {"expires": MOMENT},
        "partitioned": {"secure": True, "samesite": "None", "partitioned": True},
    }

    @area.get("/cookie/attributes/<name>")
    def attribute(name: str) -> Response:
        """Set a cookie with the attribute of that name."""
        response = Response("set")
        response.set_cookie("name", "value", **attributes[name])
        return response

    @area.get("/cookie/deleted")
    def deleted() -> Response:
        """Delete a cookie."""
        response = Response("deleted")
        response.delete_cookie("name", path="/response", domain="wsgi-conform.test")
        return response

    @area.get("/cookie/several")
    def several() -> Response:
        """Set ten cookies, and one of them again for another path."""
        response = Response("set")
        for number in range(10):
            response.set_cookie(f"c{number}", str(number), expires=MOMENT)
        response.set_cookie("c0", "again", path="/response")
        return response

    @area.post("/cookie/value")
    def value() -> Response:
        """Set a cookie to the body, and give the value that came."""
        response = jsonify(found=request.cookies.get("name"))
        response.set_cookie("name", request.get_data(as_text=True))
        return response


def _add_streams(area: Blueprint) -> None:
    @area.get("/stream/held/<kind>")
    def held(kind: str) -> Response:
        """Two events, the second held back until another request comes."""
        key = request.args["key"]
        patience = float(request.args.get("patience", PATIENCE_S))

        def generate() -> Iterator[str]:
            yield "data: 1\n\n"
            met = journal.meet(key, 2, patience)
            yield "data: 2\n\n" if met else "data: X\n\n"

        response = Response(generate(), mimetype="text/event-stream")
        if kind == "with-length":
            response.content_length = 18
        return response

    @area.get("/stream/release")
    def release() -> Response:
        """Let the stream of that key go on, and say whether it was there."""
        patience = float(request.args.get("patience", PATIENCE_S))
        return jsonify(met=journal.meet(request.args["key"], 2, patience))

    @area.get("/stream/noted")
    def noted() -> Response:
        """A stream that says in the journal when it begins, ends and is closed."""
        key = request.args["key"]

        def generate() -> Iterator[str]:
            journal.record(key, "started")
            yield "one;"
            yield "two;"
            journal.record(key, "ended")

        response = Response(generate(), mimetype="text/plain")
        response.call_on_close(lambda: journal.record(key, "close"))
        return response

    @area.get("/stream/big")
    def big() -> Response:
        """A stream of 1052602 bytes in pieces of very different sizes, empty ones among them.

        Its content is lines of seven digits, which count from 0.
        """

        def generate() -> Iterator[bytes]:
            content = memoryview(pattern(sum(PIECES)))
            for size in PIECES:
                yield bytes(content[:size])
                content = content[size:]

        response = Response(generate(), mimetype="application/octet-stream")
        if "length" in request.args:
            response.content_length = sum(PIECES)
        return response
