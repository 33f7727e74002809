"""One application source, two frameworks, equal answers.

The application below is built on the reference framework and on Flask, and each request of the
tables is made to both. Status line, header fields and body have to be the same, except for what is
random or a matter of order (see `normalise`).
"""

# The framework is a parameter here, so its decorators have no types that mypy could know.
# mypy: allow-untyped-decorators

from __future__ import annotations

import importlib
import io
import json
from collections.abc import Callable
from typing import Any

import pytest


def build(name: str) -> Any:
    """The application on a framework."""
    fw: Any = importlib.import_module(name)
    app = fw.Flask("tests.framework", static_folder=None, root_path=".")
    app.config.update(SECRET_KEY="secret", MAX_CONTENT_LENGTH=5000, MAX_FORM_MEMORY_SIZE=1000)
    app.config["MAX_FORM_PARTS"] = 5
    request, session = fw.request, fw.session

    @app.get("/text")
    def text() -> Any:
        return "tést"

    results: dict[str, Callable[[], Any]] = {
        "bytes": lambda: b"\x00\xff",
        "dict": lambda: {"b": [1, 2.5, None, True], "a": "ü"},
        "list": lambda: [1, {"x": "y"}],
        "status": lambda: ("made", 201),
        "status-line": lambda: ("teapot", "418 I am a teapot"),
        "headers": lambda: ("x", {"X-One": "1", "Content-Type": "text/plain"}),
        "header-list": lambda: ("x", [("X-Two", "1"), ("X-Two", "2")]),
        "all": lambda: ({"a": 1}, 202, {"X-Three": ["3", "33"]}),
        "generator": lambda: (piece for piece in ["a", "b", "ü"]),
        "response": lambda: fw.Response("r", 203, {"X-Four": "4"}),
        "response-status": lambda: (fw.Response("r"), 404, {"X-Five": "5"}),
        "wsgi": lambda: (
            lambda environ, start: (
                start("299 Odd", [("X-Six", "6"), ("Content-Type", "text/x")]),
                [b"wsgi"],
            )[1]
        ),
        "unknown-code": lambda: ("x", 799),
        "empty": lambda: ("", 204),
        "not-modified": lambda: ("", 304),
        "redirect": lambda: fw.redirect("/tést?a=ü&b=<x>"),
        "redirect-code": lambda: fw.redirect("https://example.org/", 303),
        "jsonify": lambda: fw.jsonify(1, 2),
        "make_response": lambda: fw.make_response("x", 201, {"X-Seven": "7"}),
    }

    @app.route("/return/<name>", methods=["GET", "POST"])
    def returns(name: str) -> Any:
        return results[name]()

    @app.route("/echo", methods=["GET", "POST", "PUT"])
    def echo() -> Any:
        return {
            "method": request.method,
            "path": request.path,
            "full_path": request.full_path,
            "url": request.url,
            "base_url": request.base_url,
            "root_url": request.root_url,
            "host_url": request.host_url,
            "host": request.host,
            "root_path": request.root_path,
            "args": list(request.args.items(multi=True)),
            "form": list(request.form.items(multi=True)),
            "values": list(request.values.items(multi=True)),
            "files": [
                [key, file.filename, file.content_type, file.read().decode("latin-1")]
                for key, file in request.files.items(multi=True)
            ],
            "cookies": list(request.cookies.items(multi=True)),
            "data": request.get_data().decode("latin-1"),
            "mimetype": request.mimetype,
            "mimetype_params": request.mimetype_params,
            "content_length": request.content_length,
            "is_json": request.is_json,
            "is_secure": request.is_secure,
            "remote_addr": request.remote_addr,
            "access_route": list(request.access_route),
            "referrer": request.referrer,
            "user_agent": request.user_agent.string,
            "endpoint": request.endpoint,
            "authorization": request.authorization and request.authorization.username,
            "accept": list(request.accept_mimetypes.values()),
            "best": request.accept_mimetypes.best_match(["text/html", "application/json"]),
            "language": request.accept_languages.best_match(["de", "en-GB"]),
            "range": str(request.range),
            "if_none_match": sorted(request.if_none_match.as_set(True)),
            "no_cache": bool(request.cache_control.no_cache),
            "max_age": request.cache_control.max_age,
        }

    @app.post("/json")
    def parse_json() -> Any:
        return {"json": request.get_json(**dict.fromkeys(request.args, True))}

    @app.get("/key")
    def key() -> Any:
        return request.args["missing"]

    @app.get("/cookies")
    def cookies() -> Any:
        response = fw.make_response("cookies")
        response.set_cookie("plain", "value")
        response.set_cookie("odd", 'ü;,"\\ x', path="/ü", domain="example.org", secure=True)
        response.set_cookie("all", "x", httponly=True, samesite="lax", partitioned=True)
        response.set_cookie("old", "x", expires=0, path=None)
        response.delete_cookie("gone", domain=".example.org")
        return response

    @app.get("/session/<action>")
    def use_session(action: str) -> Any:
        if action == "set":
            session["user"] = "me"
        elif action == "clear":
            session.clear()
        elif action == "permanent":
            session.permanent = True
            session["user"] = "me"
        elif action == "get":
            return repr(session.get("user"))
        return action

    @app.get("/conditional")
    def conditional() -> Any:
        response = fw.make_response("0123456789")
        response.set_etag("tag", weak="weak" in request.args)
        response.last_modified = 1_000_000_000
        response.headers["Date"] = "Thu, 01 Jan 2026 00:00:00 GMT"
        return response.make_conditional(request, accept_ranges=True, complete_length=10)

    @app.get("/file")
    def file() -> Any:
        return fw.send_file(
            io.BytesIO(b"0123456789"),
            download_name=request.args.get("name", "data.txt"),
            as_attachment="attach" in request.args,
            max_age=request.args.get("age", type=int),
            etag="tag",
            last_modified=1_000_000_000,
        )

    @app.route("/abort/<int:code>")
    def do_abort(code: int) -> Any:
        fw.abort(code)

    @app.route("/fail")
    def fail() -> Any:
        raise ValueError("secret detail")

    @app.route("/cache")
    def cache() -> Any:
        response = fw.make_response("x")
        response.cache_control.public = True
        response.cache_control.max_age = 60
        response.vary.update(["Accept", "accept", "Cookie"])
        response.content_language = ["de", "en"]
        response.www_authenticate = None
        response.headers["X-Status"] = response.status
        response.content_location = "/ü"
        return response

    @app.get("/flash")
    def flash() -> Any:
        fw.flash("one")
        fw.flash("two", "error")
        return fw.jsonify(
            fw.get_flashed_messages(with_categories=True),
            fw.get_flashed_messages(category_filter=["error"]),
        )

    @app.get("/template")
    def template() -> Any:
        return fw.render_template_string(
            "{{ value }} {{ request.path }} {{ url_for('text') }} {{ session.get('user') }}"
            " {{ config.MAX_FORM_PARTS }} {{ {'a': '<'}|tojson }}",
            value="<b>",
        )

    @app.get("/stream")
    def stream() -> Any:
        @fw.stream_with_context
        def generate() -> Any:
            yield request.path
            yield "!"

        return app.response_class(generate())

    for rule, endpoint in (
        ("/r/s/<string(length=2):x>", "length"),
        ("/r/m/<string(minlength=2,maxlength=3):x>", "minmax"),
        ("/r/i/<int(min=2,max=9):x>", "int"),
        ("/r/f/<int(fixed_digits=3):x>", "fixed"),
        ("/r/n/<int(signed=True):x>", "signed"),
        ("/r/fl/<float:x>", "float"),
        ("/r/u/<uuid:x>", "uuid"),
        ("/r/a/<any(a, 'b c'):x>", "any"),
        ("/r/p/<path:x>", "path"),
        ("/r/p/<path:x>/edit", "path_edit"),
        ("/r/q/<path:x>/", "path_slash"),
        ("/r/<x>", "plain"),
        ("/r/plain", "static_one"),
        ("/r/<int:x>", "number"),
        ("/r/<x>.html", "suffix"),
        ("/r/<x>/<y>", "two"),
        ("/r/folder/", "folder"),
    ):
        app.add_url_rule(
            rule, endpoint, lambda endpoint=endpoint, **values: f"{endpoint} {values!r}"
        )
    app.add_url_rule("/lax", "lax", lambda: "lax", strict_slashes=False)
    app.add_url_rule("/lax2/", "lax2", lambda: "lax2", strict_slashes=False)
    app.add_url_rule("/pages/", "pages", lambda page: f"{page}", defaults={"page": 1})
    app.add_url_rule("/pages/<int:page>", "pages")
    app.add_url_rule("/old/<x>", "old", redirect_to="/r/<x>")
    app.add_url_rule("/methods", "m1", lambda: "put", methods=["PUT"])
    app.add_url_rule("/methods", "m2", lambda: "delete", methods=["DELETE"])
    app.add_url_rule(
        "/options", "m3", lambda: "own", methods=["OPTIONS"], provide_automatic_options=False
    )

    @app.get("/urls")
    def urls() -> Any:
        build_url = fw.url_for
        return fw.jsonify(
            build_url("text"),
            build_url("plain", x="a b/ü?"),
            build_url("path", x="a/b c"),
            build_url("fixed", x=7),
            build_url("float", x=2),
            build_url("any", x="b c"),
            build_url("text", a=[1, 2], b="ü &", c=None),
            build_url("text", _anchor="ü x", _external=True),
            build_url("text", _scheme="https", _external=True),
            build_url("pages", page=1),
            build_url("pages", page=2),
            build_url("m1", _method="PUT"),
            build_url("two", x=1, y=2, z=3),
        )

    blueprint = fw.Blueprint("outer", "tests.framework", url_prefix="/outer", root_path=".")
    nested = fw.Blueprint("inner", "tests.framework", url_prefix="/inner", root_path=".")
    nested.add_url_rule("/", "index", lambda: f"{request.endpoint} {fw.url_for('.index')}")

    @nested.errorhandler(404)
    def inner_not_found(error: Any) -> Any:
        return "inner", 404

    nested.add_url_rule("/abort", "abort", lambda: fw.abort(404))
    nested.add_url_rule("/abort410", "abort410", lambda: fw.abort(410))

    @blueprint.errorhandler(410)
    def outer_gone(error: Any) -> Any:
        return f"outer {error.name}", 410

    blueprint.register_blueprint(nested)
    app.register_blueprint(blueprint)
    return app


APPS = {name: build(name) for name in ("reference_app.framework", "flask")}


def normalise(answer: Any) -> tuple[Any, ...]:
    """What has to be equal: without dates, with sets and signatures in a fixed form."""
    headers = []
    for name, value in answer.headers:
        if name == "Allow":
            value = ", ".join(sorted(value.split(", ")))
        elif name == "Date" or (name == "Expires" and answer["Cache-Control"]):
            value = "(date)"
        elif name == "Set-Cookie" and value.startswith("session=") and value[8] != ";":
            # The payload comes first, then the time and the signature.
            payload, _, attributes = value.partition(";")
            value = f"{payload.partition('.')[0]};{attributes}"
        headers.append((name, value))
    return answer.status, sorted(headers), answer.body


GET_PATHS = [
    "/text",
    "/text?x=1",
    "/nowhere",
    "/TEXT",
    "/text/",
    "/return/bytes",
    "/return/dict",
    "/return/list",
    "/return/status",
    "/return/status-line",
    "/return/headers",
    "/return/header-list",
    "/return/all",
    "/return/generator",
    "/return/response",
    "/return/response-status",
    "/return/wsgi",
    "/return/unknown-code",
    "/return/empty",
    "/return/not-modified",
    "/return/redirect",
    "/return/redirect-code",
    "/return/jsonify",
    "/return/make_response",
    "/return/nothing",
    "/cookies",
    "/session/set",
    "/session/clear",
    "/session/get",
    "/session/none",
    "/key",
    "/flash",
    "/template",
    "/stream",
    "/urls",
    "/cache",
    "/fail",
    "/conditional",
    "/conditional?weak",
    "/file",
    "/file?attach",
    "/file?name=d%C3%BC.bin&attach",
    "/file?name=x.tar.gz",
    "/file?name=q%22.png",
    "/file?age=0",
    "/echo",
    "/echo?a=1&a=2&b=&c",
    "/echo?%C3%BC=%FC&x=%2B+y",
    "/echo?=&&&a=b=c",
    "/r/s/ab",
    "/r/s/abc",
    "/r/m/a",
    "/r/m/ab",
    "/r/m/abcd",
    "/r/i/1",
    "/r/i/2",
    "/r/i/9",
    "/r/i/10",
    "/r/i/-3",
    "/r/i/x",
    "/r/f/007",
    "/r/f/7",
    "/r/f/0007",
    "/r/n/-5",
    "/r/n/5",
    "/r/fl/1.5",
    "/r/fl/1",
    "/r/fl/.5",
    "/r/u/12345678-1234-1234-1234-123456789abc",
    "/r/u/1234",
    "/r/u/12345678-1234-1234-1234-123456789ABC",
    "/r/a/a",
    "/r/a/b%20c",
    "/r/a/c",
    "/r/p/x",
    "/r/p/x/y/z",
    "/r/p/x/edit",
    "/r/p/x/y/edit",
    "/r/p/",
    "/r/p",
    "/r/q/x/y",
    "/r/q/x/y/",
    "/r/plain",
    "/r/12",
    "/r/x.html",
    "/r/x.htm",
    "/r/other",
    "/r/one/two",
    "/r/one/two/",
    "/r/folder",
    "/r/folder/",
    "/r/folder?a=b",
    "/r//plain",
    "//text",
    "/r///folder//x",
    "/r/folder//",
    "/lax",
    "/lax/",
    "/lax2",
    "/lax2/",
    "/pages/",
    "/pages",
    "/pages/1",
    "/pages/2",
    "/pages/1?q=%C3%BC",
    "/old/x",
    "/old/plain",
    "/methods",
    "/options",
    "/outer/inner/",
    "/outer/inner",
    "/outer/inner/abort",
    "/outer/inner/abort410",
    "/outer/nowhere",
    "/r/%C3%BC",
    "/r/a%2Fb",
]


@pytest.mark.parametrize("path", GET_PATHS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST"])
def test_answers_are_equal(call: Callable[..., Any], method: str, path: str) -> None:
    from urllib.parse import unquote_to_bytes

    raw, mark, query = path.partition("?")
    decoded = unquote_to_bytes(raw).decode("latin-1") + mark + query
    body = b"" if method == "POST" else None
    answers = [normalise(call(app, decoded, method, body)) for app in APPS.values()]
    assert answers[0] == answers[1]


@pytest.mark.parametrize(
    "code",
    [
        400,
        401,
        403,
        404,
        405,
        406,
        408,
        409,
        410,
        411,
        412,
        413,
        414,
        415,
        416,
        417,
        418,
        421,
        422,
        423,
        424,
        428,
        429,
        431,
        451,
        500,
        501,
        502,
        503,
        504,
        505,
    ],
)
def test_error_pages_are_equal(call: Callable[..., Any], code: int) -> None:
    answers = [normalise(call(app, f"/abort/{code}")) for app in APPS.values()]
    assert answers[0] == answers[1]


FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=b"


def part(name: str, value: bytes, extra: str = "", header: str = "") -> bytes:
    """A part of a multipart body."""
    return (
        f'--b\r\nContent-Disposition: form-data; name="{name}"{extra}\r\n{header}\r\n'.encode()
        + value
        + b"\r\n"
    )


REQUESTS: dict[str, dict[str, Any]] = {
    "form": {
        "path": "/echo",
        "method": "POST",
        "body": b"a=1&a=2&b=%C3%BC&c",
        "content_type": FORM,
    },
    "form-bad-utf8": {
        "path": "/echo",
        "method": "POST",
        "body": b"a=%FF&b=\xc3\xbc",
        "content_type": FORM,
    },
    "form-not-utf8": {"path": "/echo", "method": "POST", "body": b"a=\xff", "content_type": FORM},
    "form-and-query": {"path": "/echo?a=q", "method": "POST", "body": b"a=f", "content_type": FORM},
    "put": {"path": "/echo", "method": "PUT", "body": b"\x00\xff raw"},
    "text": {
        "path": "/echo",
        "method": "POST",
        "body": b"text",
        "content_type": "Text/Plain; Charset=x",
    },
    "multipart": {
        "path": "/echo",
        "method": "POST",
        "body": part("a", b"1")
        + part("a", "ü".encode())
        + part("f", b"\x00\r\n\xff", '; filename="x.bin"', "Content-Type: a/b\r\n")
        + part("g", b"", '; filename="ü.txt"')
        + b"--b--\r\n",
        "content_type": MULTIPART,
    },
    "multipart-truncated": {
        "path": "/echo",
        "method": "POST",
        "body": part("a", b"1"),
        "content_type": MULTIPART,
    },
    "multipart-no-boundary": {
        "path": "/echo",
        "method": "POST",
        "body": part("a", b"1"),
        "content_type": "multipart/form-data",
    },
    "multipart-garbage": {
        "path": "/echo",
        "method": "POST",
        "body": b"xyz",
        "content_type": MULTIPART,
    },
    "multipart-large-field": {
        "path": "/echo",
        "method": "POST",
        "body": part("a", b"x" * 1001) + b"--b--\r\n",
        "content_type": MULTIPART,
    },
    "multipart-many-parts": {
        "path": "/echo",
        "method": "POST",
        "body": part("a", b"x") * 6 + b"--b--\r\n",
        "content_type": MULTIPART,
    },
    "too-large": {"path": "/echo", "method": "POST", "body": b"x" * 5001},
    "too-large-form": {
        "path": "/echo",
        "method": "POST",
        "body": b"x" * 5001,
        "content_type": FORM,
    },
    "no-length": {"path": "/echo", "method": "POST", "wsgi__input": io.BytesIO(b"abc")},
    "bad-length": {"path": "/echo", "method": "POST", "body": b"abc", "CONTENT_LENGTH": "-1x"},
    "body-cut-off": {"path": "/echo", "method": "POST", "body": b"abc", "CONTENT_LENGTH": "10"},
    "json": {
        "path": "/json",
        "method": "POST",
        "body": b'{"a": [1]}',
        "content_type": "application/json",
    },
    "json-suffix": {
        "path": "/json",
        "method": "POST",
        "body": b"1",
        "content_type": "application/x+json",
    },
    "json-wrong-type": {
        "path": "/json",
        "method": "POST",
        "body": b"1",
        "content_type": "text/plain",
    },
    "json-no-type": {"path": "/json", "method": "POST", "body": b"1"},
    "json-force": {"path": "/json?force", "method": "POST", "body": b"1"},
    "json-silent": {"path": "/json?silent", "method": "POST", "body": b"1"},
    "json-bad": {
        "path": "/json",
        "method": "POST",
        "body": b"{",
        "content_type": "application/json",
    },
    "json-bad-silent": {
        "path": "/json?silent",
        "method": "POST",
        "body": b"{",
        "content_type": "application/json",
    },
    "json-empty": {
        "path": "/json",
        "method": "POST",
        "body": b"",
        "content_type": "application/json",
    },
    "cookies": {"path": "/echo", "headers": {"Cookie": 'a=1; b="x\\"y\\054"; a=2; c; =d; e=f=g'}},
    "cookies-odd": {"path": "/echo", "headers": {"Cookie": "a=b c;; ; x = y ;\xc3\xbc=\xc3\xbc"}},
    "headers": {
        "path": "/echo",
        "headers": {
            "Referer": "http://x/",
            "User-Agent": "ua",
            "X-Forwarded-For": "1.1.1.1, 2.2.2.2",
            "Authorization": "Basic dXNlcjpwYXNz",
            "Accept": "text/*;q=0.5, application/json;q=0.4, */*;q=0.1",
            "Accept-Language": "en-US, de;q=0.5",
            "Range": "bytes=0-4",
            "If-None-Match": '"a", W/"b", c',
            "Cache-Control": "no-cache, max-age=10",
        },
    },
    "headers-odd": {
        "path": "/echo",
        "headers": {
            "Authorization": "Basic !",
            "Accept": "text/html;level=1, x;q=2",
            "Accept-Language": "en;q=0, *;q=0.1",
            "Range": "bytes=5-1",
            "If-None-Match": "*",
            "Cache-Control": 'x="a, b", max-age=abc',
        },
    },
    "host": {"path": "/echo", "headers": {"Host": "Example.ORG:8080"}},
    "host-default-port": {"path": "/echo", "headers": {"Host": "example.org:80"}},
    "host-ipv6": {"path": "/echo", "headers": {"Host": "[::1]:8080"}},
    "host-invalid": {"path": "/echo", "headers": {"Host": "a b/../c"}},
    "host-missing": {"path": "/echo", "HTTP_HOST": None, "SERVER_PORT": "8080"},
    "https": {"path": "/echo", "wsgi__url_scheme": "https", "headers": {"Host": "example.org:443"}},
    "mounted": {"path": "/echo", "SCRIPT_NAME": "/m\xc3\xbc"},
    "mounted-urls": {"path": "/urls", "SCRIPT_NAME": "/mount"},
    "mounted-slash": {"path": "/r/folder?x=y", "SCRIPT_NAME": "/mount/"},
    "empty-path": {"path": ""},
    "range": {"path": "/conditional", "headers": {"Range": "bytes=2-4"}},
    "range-end": {"path": "/conditional", "headers": {"Range": "bytes=-3"}},
    "range-open": {"path": "/conditional", "headers": {"Range": "bytes=8-"}},
    "range-past-end": {"path": "/conditional", "headers": {"Range": "bytes=8-100"}},
    "range-unsatisfiable": {"path": "/conditional", "headers": {"Range": "bytes=10-"}},
    "range-malformed": {"path": "/conditional", "headers": {"Range": "bytes=x"}},
    "range-several": {"path": "/conditional", "headers": {"Range": "bytes=0-1,3-4"}},
    "range-other-unit": {"path": "/conditional", "headers": {"Range": "lines=0-1"}},
    "if-range": {"path": "/conditional", "headers": {"Range": "bytes=0-1", "If-Range": '"tag"'}},
    "if-range-other": {
        "path": "/conditional",
        "headers": {"Range": "bytes=0-1", "If-Range": '"o"'},
    },
    "if-range-date": {
        "path": "/conditional",
        "headers": {"Range": "bytes=0-1", "If-Range": "Sun, 09 Sep 2001 01:46:40 GMT"},
    },
    "if-none-match": {"path": "/conditional", "headers": {"If-None-Match": '"tag"'}},
    "if-none-match-weak": {"path": "/conditional", "headers": {"If-None-Match": 'W/"tag"'}},
    "if-none-match-star": {"path": "/conditional", "headers": {"If-None-Match": "*"}},
    "if-none-match-other": {"path": "/conditional", "headers": {"If-None-Match": '"o"'}},
    "if-match": {"path": "/conditional", "headers": {"If-Match": '"tag"'}},
    "if-match-other": {"path": "/conditional", "headers": {"If-Match": '"o"'}},
    "if-modified-since": {
        "path": "/conditional",
        "headers": {"If-Modified-Since": "Sun, 09 Sep 2001 01:46:40 GMT"},
    },
    "if-modified-since-before": {
        "path": "/conditional",
        "headers": {"If-Modified-Since": "Sun, 09 Sep 2001 01:46:39 GMT"},
    },
    "if-modified-since-bad": {"path": "/conditional", "headers": {"If-Modified-Since": "soon"}},
    "file-range": {"path": "/file", "headers": {"Range": "bytes=2-4"}},
    "file-range-bad": {"path": "/file", "headers": {"Range": "bytes=20-"}},
    "file-not-modified": {"path": "/file", "headers": {"If-None-Match": '"tag"'}},
    "lower-case-method": {"path": "/echo", "method": "post", "body": b"x"},
    "unknown-method": {"path": "/echo", "method": "BREW"},
    "put-allowed": {"path": "/methods", "method": "PUT"},
    "not-allowed": {"path": "/methods", "method": "POST", "body": b""},
    "session-forged": {"path": "/session/get", "headers": {"Cookie": "session=x.y.z"}},
    "terminated-input": {
        "path": "/echo",
        "method": "POST",
        "wsgi__input": lambda: io.BytesIO(b"abc"),
        "wsgi__input_terminated": True,
        "headers": {"Transfer-Encoding": "chunked"},
    },
}


@pytest.mark.parametrize("name", REQUESTS)
def test_requests_are_understood_equally(call: Callable[..., Any], name: str) -> None:
    answers = []
    for app in APPS.values():
        request = dict(REQUESTS[name])
        headers = dict(request.pop("headers", {}))
        if "content_type" in request:
            headers["Content-Type"] = request.pop("content_type")
        if callable(request.get("wsgi__input")):
            request["wsgi__input"] = request["wsgi__input"]()
        answers.append(normalise(call(app, headers=headers, **request)))
    body = answers[0][2]
    if body[:1] == b"{":
        # Field by field, which is easier to read when it fails.
        assert json.loads(body) == json.loads(answers[1][2])
    assert answers[0] == answers[1]


@pytest.mark.parametrize("signer", APPS)
@pytest.mark.parametrize("opener", APPS)
def test_a_session_cookie_of_either_opens_in_the_other(
    call: Callable[..., Any], signer: str, opener: str
) -> None:
    cookie = call(APPS[signer], "/session/permanent")["Set-Cookie"].partition(";")[0]
    answer = call(APPS[opener], "/session/get", headers={"Cookie": cookie})
    assert answer.text == "'me'"
    assert answer["Vary"] == "Cookie"
