"""The application under test: one area of behaviour after the other, each a blueprint.

What the suite relies on is in the areas; this module only puts them together. `/wsgi/` is served by
plain WSGI callables, because what they do no framework would let a view do: they are a middleware
around `wsgi_app`, which is where Flask wants one.
"""

from __future__ import annotations

from reference_app.api import Flask
from reference_app.areas import (
    context,
    context_stages,
    context_worker,
    control,
    downloads,
    errors,
    failures,
    hook_errors,
    hooks,
    lifecycle,
    load,
    mounts,
    protocol,
    requests,
    responses,
    routing,
    rules,
    security,
    sessions,
)

#: Known to the suite, which signs cookies of its own with it. Not a secret.
SECRET_KEY = "wsgi-conform signs with this in the open"
#: A key that is no longer signed with, and still accepted.
RETIRED_SECRET_KEY = "wsgi-conform signed with this before"


def create_app(flask_class: type[Flask] = Flask) -> Flask:
    """Make the application.

    :param flask_class: the class to make it from; a mutant of the framework gives a broken one.
    :returns: an application of the framework that `reference_app.api` chose.
    """
    app = flask_class("reference_app")
    app.config.update(SECRET_KEY=SECRET_KEY, SECRET_KEY_FALLBACKS=[RETIRED_SECRET_KEY])
    for area in (
        control,
        routing,
        rules,
        mounts,
        requests,
        responses,
        downloads,
        hooks,
        hook_errors,
        sessions,
        context,
        context_stages,
        context_worker,
        errors,
        failures,
        security,
        load,
        lifecycle,
    ):
        area.register(app)
    served = protocol.Middleware(app.wsgi_app)
    app.wsgi_app = protocol.Validation(served)  # type: ignore[method-assign]
    return app
