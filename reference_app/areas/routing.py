"""Routing: rules, converters, methods, redirects and the building of URLs."""

from __future__ import annotations

from uuid import UUID

from reference_app.api import Blueprint, Flask, Response, jsonify, request, url_for


class ListConverter:
    """Mixed into the framework's own base converter: a value of parts joined by `+`."""

    def to_python(self, value: str) -> list[str]:
        return value.split("+")

    def to_url(self, value: list[str]) -> str:
        return "+".join(value)


def register(app: Flask) -> None:
    """Add the routes of this area."""
    base = app.url_map.converters["default"].__mro__[1]
    app.url_map.converters["list"] = type("ListConverter", (ListConverter, base), {})
    app.register_blueprint(_blueprint())


def _echo(**values: object) -> Response:
    """The view's arguments, with the type that each had in the view."""
    shown = {
        name: {
            "type": type(value).__name__,
            "value": str(value) if isinstance(value, UUID) else value,
        }
        for name, value in values.items()
    }
    return jsonify(endpoint=request.endpoint, arguments=shown)


def _blueprint() -> Blueprint:
    area = Blueprint("routing", __name__, url_prefix="/routing")

    @area.get("/plain")
    def plain() -> Response:
        """A path without a variable."""
        return _echo()

    @area.get("/folder/")
    def folder() -> Response:
        """A path with a slash at its end: without it a redirect, which keeps the query."""
        return jsonify(endpoint=request.endpoint, query=request.query_string.decode())

    @area.get("/string/<value>")
    def string(value: str) -> Response:
        """A variable that is any text without a slash."""
        return _echo(value=value)

    @area.get("/string-of-two/<string(length=2):value>")
    def string_of_two(value: str) -> Response:
        """A variable of two characters."""
        return _echo(value=value)

    @area.get("/int/<int:value>")
    def integer(value: int) -> Response:
        """A variable that is an integer, and not a negative one."""
        return _echo(value=value)

    @area.get("/small-int/<int(min=1, max=9):value>")
    def small_integer(value: int) -> Response:
        """A variable that is an integer from 1 to 9."""
        return _echo(value=value)

    @area.get("/float/<float:value>")
    def real(value: float) -> Response:
        """A variable that is a number with a point."""
        return _echo(value=value)

    @area.get("/path/<path:value>")
    def path(value: str) -> Response:
        """A variable that may have slashes."""
        return _echo(value=value)

    @area.get("/uuid/<uuid:value>")
    def uuid(value: UUID) -> Response:
        """A variable that is a UUID."""
        return _echo(value=value)

    @area.get("/any/<any(red, green):value>")
    def any_of(value: str) -> Response:
        """A variable that is one of two words."""
        return _echo(value=value)

    @area.get("/list/<list:value>")
    def custom(value: list[str]) -> Response:
        """A variable by the application's own converter: parts joined by `+`."""
        return _echo(value=value)

    @area.get("/two/<int:first>/<second>")
    def two(first: int, second: str) -> Response:
        """Two variables of different types."""
        return _echo(first=first, second=second)

    @area.get("/priority/<value>")
    def priority_variable(value: str) -> Response:
        """A variable where there is also a fixed word, which comes first."""
        return _echo(value=value)

    @area.get("/priority/fixed")
    def priority_fixed() -> Response:
        """A fixed word where there is also a variable."""
        return _echo()

    @area.get("/default/", defaults={"page": 1})
    @area.get("/default/<int:page>")
    def default(page: int) -> Response:
        """A rule with a default: its URL is the shorter one, to which the longer redirects."""
        return _echo(page=page)

    @area.route("/methods", methods=["GET", "POST"])
    def get_or_post() -> Response:
        """The method, of a rule for GET and POST."""
        return jsonify(endpoint=request.endpoint, method=request.method)

    @area.route("/methods", methods=["PUT", "PATCH", "DELETE"])
    def other_methods() -> Response:
        """The method, of another rule with the same path, for PUT, PATCH and DELETE."""
        return jsonify(endpoint=request.endpoint, method=request.method)

    @area.route("/custom-method", methods=["PROPFIND"])
    def propfind() -> Response:
        """A method that HTTP itself does not define."""
        return jsonify(endpoint=request.endpoint, method=request.method)

    @area.get("/query")
    def query() -> Response:
        """All values of the query by their names."""
        return jsonify({name: request.args.getlist(name) for name in request.args})

    @area.get("/url-for")
    def built() -> Response:
        """URLs built by `url_for`, of every kind."""
        return jsonify(
            plain=url_for(".plain"),
            integer=url_for(".integer", value=42),
            quoted=url_for(".string", value="a b?ü"),
            path=url_for(".path", value="a/b c"),
            custom=url_for(".custom", value=["x", "y"]),
            query=url_for(".plain", page=2, word="a&b"),
            anchor=url_for(".plain", _anchor="part"),
            external=url_for(".plain", _external=True),
            default=url_for(".default", page=1),
            method=url_for(".other_methods", _method="PUT"),
        )

    return area
