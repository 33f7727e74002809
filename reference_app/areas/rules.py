"""Rules: what the routing of `routing.py` leaves out, from the edges of converters to nesting."""

from __future__ import annotations

from uuid import UUID

from reference_app.api import (
    Blueprint,
    Flask,
    MethodView,
    Response,
    ValidationError,
    jsonify,
    request,
    url_for,
)


class EvenConverter:
    """Mixed into the framework's own base converter: an even number, and no odd one."""

    def to_python(self, value: str) -> int:
        if not value.isdecimal() or int(value) % 2:
            raise ValidationError
        return int(value)


class PlateConverter:
    """Mixed into the framework's own base converter: two letters and a digit."""

    regex = "[a-z]{2}[0-9]"


def register(app: Flask) -> None:
    """Add the routes."""
    base = app.url_map.converters["default"].__mro__[1]
    for converter in (EvenConverter, PlateConverter):
        name = converter.__name__.removesuffix("Converter").lower()
        app.url_map.converters[name] = type(converter.__name__, (converter, base), {})
    app.register_blueprint(_converters())
    app.register_blueprint(_matching())
    app.register_blueprint(_outer())
    tenant = _tenant()
    app.register_blueprint(tenant, url_prefix="/rules/tenants/<tenant>")
    app.register_blueprint(
        tenant, url_prefix="/rules/home", name="home", url_defaults={"tenant": "us"}
    )


def echo(**values: object) -> Response:
    """The view that was chosen and its arguments."""
    shown = {
        name: str(value) if isinstance(value, UUID) else value for name, value in values.items()
    }
    return jsonify(endpoint=request.endpoint, arguments=shown)


def _converters() -> Blueprint:
    rules = Blueprint("rules", __name__, url_prefix="/rules")
    for name, rule in {
        "at_least_three": "/at-least-three/<string(minlength=3):value>",
        "at_most_three": "/at-most-three/<string(maxlength=3):value>",
        "signed": "/signed/<int(signed=True):value>",
        "four_digits": "/four-digits/<int(fixed_digits=4):value>",
        "integer": "/integer/<int:value>",
        "signed_float": "/signed-float/<float(signed=True):value>",
        "share": "/share/<float(min=0.5, max=1.5):value>",
        "page_of": "/page-of/<path:value>/edit",
        "uuid": "/uuid/<uuid:value>",
        "any_of": "/any-of/<any('a.b', 'c+d', e):value>",
        "even": "/even/<even:value>",
        "plate": "/plate/<plate:value>",
        "between": "/between/<int:first>-<int:last>",
        "document": "/document/<name>.txt",
        "text": "/text/<value>",
        "umlaut": "/straße/<value>",
    }.items():
        rules.add_url_rule(rule, name, echo)

    @rules.get("/built/text")
    def built_text() -> Response:
        """URLs built with the value of the query, in the path and in the query."""
        value = request.args["value"]
        return jsonify(
            in_path=url_for(".text", value=value),
            in_query=url_for(".query", value=value),
        )

    @rules.get("/query")
    def query() -> Response:
        """All values of the query by their names."""
        return jsonify({name: request.args.getlist(name) for name in request.args})

    @rules.get("/built")
    def built() -> Response:
        """URLs built with lists, schemes, anchors, methods and values that have to be converted."""
        return jsonify(
            list=url_for(".query", tag=["a", "b"], other=None),
            scheme=url_for(".query", _scheme="https"),
            anchor=url_for(".query", _anchor="a b/ü?"),
            by_get=url_for(".by_method", _method="GET"),
            by_post=url_for(".by_method", _method="POST"),
            four_digits=url_for(".four_digits", value=42),
            umlaut=url_for(".umlaut", value="x"),
            uuid=url_for(".uuid", value=UUID(int=255)),
            relative=url_for(".text", value="x"),
            absolute=url_for("routing.plain"),
        )

    rules.add_url_rule("/by-get", "by_method", echo, methods=["GET"])
    rules.add_url_rule("/by-post", "by_method", echo, methods=["POST"])
    return rules


class Resource(MethodView):
    """A view with a method for each method."""

    def get(self, number: int) -> Response:
        return jsonify(method="get", number=number)

    def delete(self, number: int) -> Response:
        return jsonify(method="delete", number=number)


def _matching() -> Blueprint:
    rules = Blueprint("matching", __name__, url_prefix="/rules")
    # The last is to be tried first, so that the order of registration is not what decides.
    for name, rule in {
        "by_path": "/weights/<path:value>",
        "by_text": "/weights/<value>",
        "by_number": "/weights/<int:value>",
        "by_word": "/weights/fixed",
        "with_prefix": "/prefixes/<value>",
        "with_longer_prefix": "/prefixes/v-<value>",
        "other_branch": "/branches/<value>/left",
        "this_branch": "/branches/fixed/right",
    }.items():
        rules.add_url_rule(rule, name, echo)
    rules.add_url_rule("/by-methods/<value>", "variable_get", echo, methods=["GET"])
    rules.add_url_rule("/by-methods/fixed", "fixed_post", echo, methods=["POST"])

    @rules.route("/own-options", methods=["GET", "OPTIONS"])
    def own_options() -> Response:
        """A view that answers OPTIONS itself."""
        response = echo()
        response.headers["X-Method"] = request.method
        return response

    @rules.get("/no-options", provide_automatic_options=False)
    def no_options() -> Response:
        """A view for which OPTIONS is not answered automatically: 405."""
        return echo()

    @rules.get("/seen-method")
    def seen_method() -> Response:
        """The method that the view sees, which for a HEAD request is HEAD."""
        response = echo()
        response.headers["X-Method"] = request.method
        return response

    rules.add_url_rule("/resource/<int:number>", view_func=Resource.as_view("resource"))

    @rules.route("/folders/<value>/", methods=["GET", "POST"])
    def folder(value: str) -> Response:
        """A folder with a variable: without its slash a redirect that keeps query and method."""
        return jsonify(
            endpoint=request.endpoint,
            value=value,
            method=request.method,
            body=request.get_data(as_text=True),
        )

    rules.add_url_rule("/lax/", "lax_folder", echo, strict_slashes=False)
    rules.add_url_rule("/lax-leaf", "lax_leaf", echo, strict_slashes=False)
    rules.add_url_rule("/pages/", "pages", echo, defaults={"page": 1})
    rules.add_url_rule("/pages/<int:page>", "pages", echo)
    rules.add_url_rule("/moved/<int:number>", "moved", echo, redirect_to="/rules/integer/<number>")
    rules.add_url_rule("/elsewhere/<value>", "elsewhere", echo, build_only=True)
    rules.add_url_rule("/canonical/<value>", "canonical", echo)
    rules.add_url_rule("/alias/<value>", "canonical", echo, alias=True)

    @rules.get("/build-only")
    def build_only() -> Response:
        """The URL of a rule that is for building only."""
        return jsonify(url=url_for(".elsewhere", value="x"))

    return rules


def _outer() -> Blueprint:
    """A blueprint in a blueprint, both with a prefix."""
    inner = Blueprint("inner", __name__, url_prefix="/inner")
    outer = Blueprint("outer", __name__, url_prefix="/rules/outer")

    @inner.get("/view")
    def view() -> Response:
        """A view of a blueprint within another, with URLs built relative to it."""
        return jsonify(
            endpoint=request.endpoint,
            blueprints=request.blueprints,
            same=url_for(".view"),
            of_outer=url_for("outer.view"),
        )

    @outer.get("/view", endpoint="view")
    def outer_view() -> Response:
        """A view of the outer blueprint."""
        return echo()

    outer.register_blueprint(inner)
    return outer


def _tenant() -> Blueprint:
    """A blueprint that is registered twice, once with a variable in its prefix."""
    tenant = Blueprint("tenant", __name__)

    @tenant.get("/desk/<int:number>")
    def desk(tenant: str, number: int) -> Response:
        """A view of a blueprint that is registered twice, once with a variable in its prefix."""
        return jsonify(
            endpoint=request.endpoint,
            tenant=tenant,
            number=number,
            next=url_for(".desk", tenant=tenant, number=number + 1),
        )

    return tenant
