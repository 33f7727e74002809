"""The application before its first request: configuration and set-up.

`App` is the part of `Flask` that runs once. It holds what is configured and registered, and refuses
changes when requests have begun. What happens in a request is in `app.py`.
"""

from __future__ import annotations

import logging
import os
import sys
import weakref
from collections.abc import Callable, ValuesView
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from .config import Config, ConfigAttribute
from .ctx import _AppCtxGlobals
from .datastructures import ImmutableDict
from .exceptions import Aborter
from .globals import g, request, session
from .helpers import get_debug_flag, get_flashed_messages
from .json.provider import DefaultJSONProvider, JSONProvider
from .logging import create_logger
from .request import Request
from .response import Response
from .routing import Map, Rule
from .scaffold import Scaffold, _endpoint_from_view_func, find_package, setupmethod
from .sessions import SecureCookieSessionInterface, SessionInterface
from .templating import (
    DispatchingJinjaLoader,
    Environment,
    _default_template_ctx_processor,
)
from .typing import RouteCallable, TeardownCallable
from .utils import cached_property

if TYPE_CHECKING:
    from .blueprints import Blueprint
    from .testing import FlaskClient

F = TypeVar("F", bound=Callable[..., Any])


def _make_timedelta(value: timedelta | int) -> timedelta:
    return value if isinstance(value, timedelta) else timedelta(seconds=value)


class App(Scaffold):
    """An application as it is set up; the parameters are those of `Flask`."""

    # What subclasses may replace
    request_class: type[Request] = Request
    response_class: type[Response] = Response
    session_interface: SessionInterface = SecureCookieSessionInterface()
    aborter_class: type[Aborter] = Aborter
    jinja_environment: type[Environment] = Environment
    jinja_options: dict[str, Any] = {}  # noqa: RUF012  (Flask's documented way to set it)
    app_ctx_globals_class: type[_AppCtxGlobals] = _AppCtxGlobals
    config_class: type[Config] = Config
    json_provider_class: type[JSONProvider] = DefaultJSONProvider
    url_rule_class: type[Rule] = Rule
    url_map_class: type[Map] = Map
    test_client_class: type[FlaskClient] | None = None

    testing = ConfigAttribute[bool]("TESTING")
    secret_key = ConfigAttribute[str | bytes | None]("SECRET_KEY")
    permanent_session_lifetime = ConfigAttribute[timedelta](
        "PERMANENT_SESSION_LIFETIME", get_converter=_make_timedelta
    )

    default_config: ClassVar[dict[str, Any]] = ImmutableDict(
        {
            "DEBUG": None,
            "TESTING": False,
            "PROPAGATE_EXCEPTIONS": None,
            "TRAP_BAD_REQUEST_ERRORS": None,
            "TRAP_HTTP_EXCEPTIONS": False,
            "SECRET_KEY": None,
            "SECRET_KEY_FALLBACKS": None,
            "SESSION_COOKIE_NAME": "session",
            "SESSION_COOKIE_DOMAIN": None,
            "SESSION_COOKIE_PATH": None,
            "SESSION_COOKIE_HTTPONLY": True,
            "SESSION_COOKIE_SECURE": False,
            "SESSION_COOKIE_PARTITIONED": False,
            "SESSION_COOKIE_SAMESITE": None,
            "SESSION_REFRESH_EACH_REQUEST": True,
            "PERMANENT_SESSION_LIFETIME": timedelta(days=31),
            "MAX_COOKIE_SIZE": 4093,
            "USE_X_SENDFILE": False,
            "SEND_FILE_MAX_AGE_DEFAULT": None,
            "TRUSTED_HOSTS": None,
            "SERVER_NAME": None,
            "APPLICATION_ROOT": "/",
            "PREFERRED_URL_SCHEME": "http",
            "MAX_CONTENT_LENGTH": None,
            "MAX_FORM_MEMORY_SIZE": 500_000,
            "MAX_FORM_PARTS": 1_000,
            "TEMPLATES_AUTO_RELOAD": None,
            "EXPLAIN_TEMPLATE_LOADING": False,
            "PROVIDE_AUTOMATIC_OPTIONS": True,
        }
    )

    def __init__(
        self,
        import_name: str,
        static_url_path: str | None = None,
        static_folder: str | os.PathLike[str] | None = "static",
        static_host: str | None = None,
        host_matching: bool = False,
        subdomain_matching: bool = False,
        template_folder: str | os.PathLike[str] | None = "templates",
        instance_path: str | None = None,
        instance_relative_config: bool = False,
        root_path: str | None = None,
    ) -> None:
        super().__init__(import_name, static_folder, static_url_path, template_folder, root_path)
        if instance_path is None:
            instance_path = self.auto_find_instance_path()
        elif not os.path.isabs(instance_path):
            raise ValueError(
                "If an instance path is provided it must be absolute. You passed the relative path"
                f" {instance_path!r}."
            )
        self.instance_path = instance_path
        self._got_first_request = False
        self.config = self.make_config(instance_relative_config)
        self.aborter = self.make_aborter()
        self.json: JSONProvider = self.json_provider_class(self)  # type: ignore[arg-type]
        self.url_map = self.url_map_class(host_matching=host_matching)
        self.subdomain_matching = subdomain_matching
        self.blueprints: dict[str, Blueprint] = {}
        # For extensions, by name.
        self.extensions: dict[str, Any] = {}
        self.teardown_appcontext_funcs: list[TeardownCallable] = []
        self.shell_context_processors: list[Callable[[], dict[str, Any]]] = []
        self.url_build_error_handlers: list[Callable[[Exception, str, dict[str, Any]], str]] = []
        self.template_context_processors[None].append(_default_template_ctx_processor)
        if self.has_static_folder:
            if bool(static_host) != host_matching:
                raise AssertionError(
                    "You passed static_host without host_matching, or host_matching and a static"
                    " folder without static_host. With host matching every rule needs a host, the"
                    " one for static files too."
                )
            # Weak, so that an application that nobody uses is freed at once, without the collector.
            find_self = weakref.ref(self)

            def send_static_file(filename: str) -> Response:
                app = find_self()
                assert app is not None
                return app.send_static_file(filename)

            self.add_url_rule(
                f"{self.static_url_path}/<path:filename>",
                endpoint="static",
                host=static_host,
                view_func=send_static_file,
            )

    def _check_setup_finished(self, f_name: str) -> None:
        if self._got_first_request:
            raise AssertionError(
                f"The setup method '{f_name}' can no longer be called on the application: it has"
                " handled a request, and some requests would see the change and others not. Do the"
                " set-up, imports included, before the application runs."
            )

    @cached_property
    def name(self) -> str:
        """The import name or, for a script, that of its file."""
        if self.import_name != "__main__":
            return self.import_name
        path = getattr(sys.modules["__main__"], "__file__", None)
        return "__main__" if path is None else os.path.splitext(os.path.basename(path))[0]

    @cached_property
    def logger(self) -> logging.Logger:
        """The logger of the application, named as it is."""
        return create_logger(self)  # type: ignore[arg-type]

    # Configuration

    def make_config(self, instance_relative: bool = False) -> Config:
        """The configuration with the default settings."""
        root_path = self.instance_path if instance_relative else self.root_path
        return self.config_class(root_path, {**self.default_config, "DEBUG": get_debug_flag()})

    def auto_find_instance_path(self) -> str:
        """Where files that belong to this installation are, if nobody said."""
        prefix, package_path = find_package(self.import_name)
        if prefix is None:
            return os.path.join(package_path, "instance")
        return os.path.join(prefix, "var", f"{self.name}-instance")

    def open_instance_resource(
        self, resource: str, mode: str = "rb", encoding: str | None = "utf-8"
    ) -> Any:
        """Open a file of the instance path, for writing too."""
        path = os.path.join(self.instance_path, resource)
        return open(path, mode, encoding=None if "b" in mode else encoding)

    def make_aborter(self) -> Aborter:
        """What `abort` calls."""
        return self.aborter_class()

    @property
    def debug(self) -> bool:
        """Debug mode: more explanations, to the client as well. Never for production."""
        return bool(self.config["DEBUG"])

    @debug.setter
    def debug(self, value: bool) -> None:
        self.config["DEBUG"] = value
        if self.config["TEMPLATES_AUTO_RELOAD"] is None:
            self.jinja_env.auto_reload = value

    # Templates

    @cached_property
    def jinja_env(self) -> Environment:
        """The Jinja environment, made when it is first used."""
        return self.create_jinja_environment()

    def create_jinja_environment(self) -> Environment:
        """The Jinja environment with `jinja_options` and the names that templates have."""
        options = dict(self.jinja_options)
        options.setdefault("autoescape", self.select_jinja_autoescape)
        if "auto_reload" not in options:
            auto_reload = self.config["TEMPLATES_AUTO_RELOAD"]
            options["auto_reload"] = self.debug if auto_reload is None else auto_reload
        environment = self.jinja_environment(self, **options)  # type: ignore[arg-type]
        environment.globals.update(
            url_for=self.url_for,
            get_flashed_messages=get_flashed_messages,
            config=self.config,
            # Proxies, for macros of templates that are imported without context.
            request=request,
            session=session,
            g=g,
        )
        environment.policies["json.dumps_function"] = self.json.dumps
        return environment

    def url_for(self, /, endpoint: str, **values: Any) -> str:
        """The URL for an endpoint; see `Flask.url_for`."""
        raise NotImplementedError

    def create_global_jinja_loader(self) -> DispatchingJinjaLoader:
        """What finds templates."""
        return DispatchingJinjaLoader(self)  # type: ignore[arg-type]

    def select_jinja_autoescape(self, filename: str | None) -> bool:
        """Whether variables are escaped: in strings, and in files of HTML and XML."""
        return filename is None or filename.endswith((".html", ".htm", ".xml", ".xhtml", ".svg"))

    @setupmethod
    def template_filter(self, name: str | None = None) -> Callable[[F], F]:
        """Decorate a function that templates use as filter.

        :param name: if it is not that of the function.
        """
        return lambda f: self.add_template_filter(f, name)

    @setupmethod
    def add_template_filter(self, f: F, name: str | None = None) -> F:
        """As `template_filter`, but a call."""
        self.jinja_env.filters[name or f.__name__] = f
        return f

    @setupmethod
    def template_test(self, name: str | None = None) -> Callable[[F], F]:
        """Decorate a function that templates use as test."""
        return lambda f: self.add_template_test(f, name)

    @setupmethod
    def add_template_test(self, f: F, name: str | None = None) -> F:
        """As `template_test`, but a call."""
        self.jinja_env.tests[name or f.__name__] = f
        return f

    @setupmethod
    def template_global(self, name: str | None = None) -> Callable[[F], F]:
        """Decorate a function that templates can call."""
        return lambda f: self.add_template_global(f, name)

    @setupmethod
    def add_template_global(self, f: F, name: str | None = None) -> F:
        """As `template_global`, but a call."""
        self.jinja_env.globals[name or f.__name__] = f
        return f

    # Registration

    @setupmethod
    def register_blueprint(self, blueprint: Blueprint, **options: Any) -> None:
        """Register a blueprint.

        :param options: `url_prefix`, `subdomain`, `url_defaults`, `name`: instead of its own.
        :raises ValueError: if the name is taken.
        """
        blueprint.register(self, options)  # type: ignore[arg-type]

    def iter_blueprints(self) -> ValuesView[Blueprint]:
        """The blueprints in the order of registration."""
        return self.blueprints.values()

    @setupmethod
    def add_url_rule(
        self,
        rule: str,
        endpoint: str | None = None,
        view_func: RouteCallable | None = None,
        provide_automatic_options: bool | None = None,
        **options: Any,
    ) -> None:
        """Connect a URL rule with a view function.

        :param rule: see `routing.Rule`, also for the options.
        :param endpoint: by default the name of the function.
        :param view_func: may be added later with `endpoint`.
        :param provide_automatic_options: answer OPTIONS; by default, unless it is in `methods`.
        :raises AssertionError: if the endpoint has another view function already.
        """
        if endpoint is None:
            endpoint = _endpoint_from_view_func(view_func)
        methods = options.pop("methods", None)
        if methods is None:
            methods = getattr(view_func, "methods", None) or ("GET",)
        if isinstance(methods, str):
            raise TypeError(
                f"You passed methods={methods!r}. Allowed methods must be a list of strings, for"
                f" example: @app.route(..., methods=[{methods!r}])"
            )
        methods = {method.upper() for method in methods}
        methods |= set(getattr(view_func, "required_methods", ()))
        if provide_automatic_options is None:
            provide_automatic_options = getattr(view_func, "provide_automatic_options", None)
        if provide_automatic_options is None:
            provide_automatic_options = (
                "OPTIONS" not in methods and self.config["PROVIDE_AUTOMATIC_OPTIONS"]
            )
            if provide_automatic_options:
                methods.add("OPTIONS")
        rule_object = self.url_rule_class(rule, methods=methods, endpoint=endpoint, **options)
        rule_object.provide_automatic_options = bool(provide_automatic_options)
        self.url_map.add(rule_object)
        if view_func is not None:
            old = self.view_functions.get(endpoint)
            if old is not None and old != view_func:
                raise AssertionError(
                    "View function mapping is overwriting an existing endpoint function:"
                    f" {endpoint!r} is {old!r} already, you added {view_func!r}. Pass endpoint= to"
                    " one of them, or use functools.wraps in a decorator."
                )
            self.view_functions[endpoint] = view_func

    @setupmethod
    def teardown_appcontext(self, f: F) -> F:
        """Have a function called when an application context is over; see `teardown_request`."""
        self.teardown_appcontext_funcs.append(f)
        return f

    @setupmethod
    def shell_context_processor(self, f: F) -> F:
        """Have a function's dict added to `make_shell_context`."""
        self.shell_context_processors.append(f)
        return f

    def make_shell_context(self) -> dict[str, Any]:
        """The names for an interactive session."""
        context: dict[str, Any] = {"app": self, "g": g}
        for processor in self.shell_context_processors:
            context.update(processor())
        return context
