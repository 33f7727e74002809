"""Mounts: applications next to the first one, told from it by the path or by the host.

A WSGI application may be anywhere below a server's root, and then it is SCRIPT_NAME that says
where (PEP 3333). What a deployment does with it cannot be chosen here, so this is a middleware that
moves the first part of the path there, as frameworks and servers do it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from reference_app.api import Flask, Response, jsonify, request, url_for

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

#: Where the mounted application is; it has a character that has to be encoded.
MOUNT = "/mounted-ü".encode().decode("latin-1")
#: The host that subdomains belong to, and the end of the hosts that are told apart as a whole.
SUBDOMAINS = "rooms.test"
HOSTS = ".hosts.test"


def register(app: Flask) -> None:
    """Put the applications next to the first one."""
    flask_class = type(app)
    app.wsgi_app = Mounts(  # type: ignore[method-assign]
        app.wsgi_app, _mounted(flask_class), _subdomains(flask_class), _hosts(flask_class)
    )


class Mounts:
    """Chooses the application by path and host."""

    def __init__(
        self,
        first: WSGIApplication,
        mounted: WSGIApplication,
        subdomains: WSGIApplication,
        hosts: WSGIApplication,
    ) -> None:
        self._first = first
        self._mounted = mounted
        self._subdomains = subdomains
        self._hosts = hosts

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        host = environ.get("HTTP_HOST", "").partition(":")[0].lower()
        application = self._first
        if path == MOUNT or path.startswith(f"{MOUNT}/"):
            environ["SCRIPT_NAME"] = environ.get("SCRIPT_NAME", "") + MOUNT
            environ["PATH_INFO"] = path.removeprefix(MOUNT)
            application = self._mounted
        elif host == SUBDOMAINS or host.endswith(f".{SUBDOMAINS}"):
            application = self._subdomains
        elif host.endswith(HOSTS):
            application = self._hosts
        return application(environ, start_response)


def _where(**more: object) -> Response:
    return jsonify(
        endpoint=request.endpoint,
        arguments=request.view_args,
        script_root=request.script_root,
        path=request.path,
        **more,
    )


def _mounted(flask_class: type[Flask]) -> Flask:
    app = flask_class("mounted")

    @app.get("/")
    def index() -> Response:
        """The root of an application that is mounted: its path and its `SCRIPT_NAME`."""
        return _where()

    @app.get("/view/<value>")
    def view(value: str) -> Response:
        """A view of the mounted application, with URLs built there."""
        return _where(
            here=url_for("view", value="é"),
            external=url_for("view", value="x", _external=True),
        )

    @app.get("/folder/")
    def folder() -> Response:
        """A folder of the mounted application: without its slash a redirect within it."""
        return _where()

    return app


def _subdomains(flask_class: type[Flask]) -> Flask:
    """An application with routes on subdomains."""
    app = flask_class("subdomains", subdomain_matching=True)
    app.config["SERVER_NAME"] = SUBDOMAINS

    @app.get("/view")
    def bare() -> Response:
        """Which of the rules for this host was chosen, and with which arguments."""
        return _where()

    @app.get("/view", subdomain="fixed")
    def fixed() -> Response:
        """Which of the rules for this host was chosen, and with which arguments."""
        return _where(
            here=url_for("fixed"),
            variable=url_for("variable", room="red"),
            bare=url_for("bare"),
        )

    @app.get("/view", subdomain="<room>")
    def variable(room: str) -> Response:
        """Which of the rules for this host was chosen, and with which arguments."""
        return _where()

    @app.get("/folder/", subdomain="<room>")
    def folder(room: str) -> Response:
        """A folder on a subdomain: without its slash a redirect on the same host."""
        return _where()

    return app


def _hosts(flask_class: type[Flask]) -> Flask:
    """An application with routes on hosts."""
    app = flask_class("hosts", host_matching=True, static_folder=None)

    @app.get("/view", host=f"one{HOSTS}")
    def one() -> Response:
        """Which of the rules for this host was chosen, and with which arguments."""
        return _where(here=url_for("one"), other=url_for("other", name="two"))

    @app.get("/view", host=f"<name>{HOSTS}")
    def other(name: str) -> Response:
        """Which of the rules for this host was chosen, and with which arguments."""
        return _where()

    @app.get("/view", host=f"one{HOSTS}:8443")
    def with_port() -> Response:
        """Which of the rules for this host was chosen, and with which arguments."""
        return _where()

    return app
