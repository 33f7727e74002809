"""The application at work: one request from the server to the response.

    __call__(environ, start_response)          what the server calls
      wsgi_app                                 apart, so that middleware can wrap it
        RequestContext.push                    pushes an application context with it, opens the
                                               session, matches the URL
        full_dispatch_request
          preprocess_request                   url_value_preprocessors, before_request functions;
                                               one that returns a value ends this
          dispatch_request                     the view function, or the routing error
          handle_user_exception                what they raised: HTTP errors, error handlers
          finalize_request
            make_response                      what the view returned, as a Response
            process_response                   after_this_request and after_request functions,
                                               the session saved
        handle_exception                       what nobody handled: a 500 or, in debug mode, raised
        response(environ, start_response)      a response is a WSGI application
        RequestContext.pop                     whatever happened: teardown functions, in the end
                                               nothing is left

Every step is a method that a subclass may extend. Set-up is in `application.py` and `scaffold.py`.
This module is longer than others so that the way can be read without leaving it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from inspect import iscoroutinefunction
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import quote
from wsgiref.types import StartResponse, WSGIEnvironment

from .application import App
from .ctx import AppContext, RequestContext
from .datastructures import Headers
from .exceptions import BadRequest, BadRequestKeyError, HTTPException, InternalServerError
from .globals import _app_stack, _request_stack
from .helpers import get_debug_flag
from .request import Request
from .response import Response
from .response import redirect as _redirect
from .routing import BuildError, MapAdapter, RequestRedirect, RoutingException
from .signals import (
    appcontext_tearing_down,
    got_request_exception,
    request_finished,
    request_started,
    request_tearing_down,
)
from .wsgi import get_host

if TYPE_CHECKING:
    from .testing import FlaskClient
    from .typing import ErrorHandlerCallable, ResponseReturnValue

_unset: Any = object()


class Flask(App):
    """A WSGI application.

    :param import_name: of the module or package that its files belong to, usually `__name__`.
    :param static_url_path: where static files are found; by default the name of their folder.
    :param static_folder: of static files, below the root path.
    :param static_host: of the static files, with host matching.
    :param host_matching: rules are for hosts.
    :param subdomain_matching: rules are for subdomains of SERVER_NAME.
    :param template_folder: of templates, below the root path.
    :param instance_path: of files that belong to this installation; absolute.
    :param instance_relative_config: configuration files are there, not below the root path.
    :param root_path: of the files, if it is not that of the module.
    """

    # The way of a request

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return self.wsgi_app(environ, start_response)

    def wsgi_app(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """The application proper; to add middleware, assign `app.wsgi_app = M(app.wsgi_app)`.

        :param environ: of the request (PEP 3333).
        :param start_response: takes the status and the header.
        :return: the body.
        """
        ctx = self.request_context(environ)
        error: BaseException | None = None
        try:
            try:
                ctx.push()
                response = self.full_dispatch_request()
            except Exception as e:
                error = e
                response = self.handle_exception(e)
            except BaseException as e:
                error = e
                raise
            return response(environ, start_response)
        finally:
            # The test client keeps contexts so that a test can look into them.
            preserve = environ.get("reference_app.preserve_context")
            if preserve is not None:
                preserve(_app_stack.top)
                preserve(_request_stack.top)
            if error is not None and self.should_ignore_error(error):
                error = None
            ctx.pop(error)

    def full_dispatch_request(self) -> Response:
        """Dispatch the request, with functions before and after it and error handlers."""
        self._got_first_request = True
        try:
            if request_started.receivers:
                request_started.send(self)
            rv = self.preprocess_request()
            if rv is None:
                rv = self.dispatch_request()
        except Exception as e:
            rv = self.handle_user_exception(e)
        return self.finalize_request(rv)

    def preprocess_request(self) -> ResponseReturnValue | None:
        """Call the functions before the view: the application's, then the blueprints'.

        :return: what one of them returned, which is then the answer; or None.
        """
        if not self.before_request_funcs and not self.url_value_preprocessors:
            return None
        request = _top_request()
        names = (None, *reversed(request.blueprints))
        for name in names:
            for preprocess in self.url_value_preprocessors.get(name, ()):
                preprocess(request.endpoint, request.view_args)
        for name in names:
            for before in self.before_request_funcs.get(name, ()):
                rv: ResponseReturnValue | None = before()
                if rv is not None:
                    return rv
        return None

    def dispatch_request(self) -> ResponseReturnValue:
        """Call the view function.

        :return: what it returned, not yet a response.
        :raises HTTPException: if routing found none.
        """
        request = _top_request()
        if request.routing_exception is not None:
            self.raise_routing_exception(request)
        rule = request.url_rule
        assert rule is not None
        if rule.provide_automatic_options and request.method == "OPTIONS":
            return self.make_default_options_response()
        rv: ResponseReturnValue = self.view_functions[rule.endpoint](**request.view_args or {})
        return rv

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """The function itself; for extensions, which call this on Flask.

        :raises RuntimeError: for a coroutine function: there are no async views here.
        """
        if iscoroutinefunction(func):
            raise RuntimeError(
                f"{func.__name__!r} is an async function, which this framework does not call. Write"
                " it without async, or run it with asyncio.run()."
            )
        return func

    def raise_routing_exception(self, request: Request) -> NoReturn:
        """Raise what routing noted; in debug mode, explain redirects that lose form data."""
        error = request.routing_exception
        assert error is not None
        if (
            self.debug
            and isinstance(error, RequestRedirect)
            and error.code not in (307, 308)
            and request.method not in ("GET", "HEAD", "OPTIONS")
        ):
            from .debughelpers import FormDataRoutingRedirect

            raise FormDataRoutingRedirect(request)
        raise error

    def make_default_options_response(self) -> Response:
        """The answer to OPTIONS: the allowed methods."""
        ctx = _request_stack.top
        assert ctx is not None
        assert ctx.url_adapter is not None
        response = self.response_class()
        response.allow = ctx.url_adapter.allowed_methods()
        return response

    def finalize_request(
        self, rv: ResponseReturnValue | HTTPException, from_error_handler: bool = False
    ) -> Response:
        """Make a response of what a view returned, and call the functions after it.

        :param from_error_handler: log what fails instead of raising it, as there is nobody left.
        """
        response = self.make_response(rv)
        try:
            response = self.process_response(response)
            if request_finished.receivers:
                request_finished.send(self, response=response)
        except Exception:
            if not from_error_handler:
                raise
            self.logger.exception("Request finalizing failed with an error while handling an error")
        return response

    def make_response(self, rv: Any) -> Response:
        """What a view may return, as a response.

        :param rv: text or bytes; a dict or list (JSON); an iterator of text or bytes (streamed); a
            response; a WSGI application; or a tuple of one of these with a status, with headers, or
            with both, in this order.
        :raises TypeError: for anything else.
        """
        status: Any = None
        headers: Any = None
        if isinstance(rv, tuple):
            if len(rv) == 3:
                rv, status, headers = rv
            elif len(rv) == 2 and isinstance(rv[1], (Headers, dict, tuple, list)):
                rv, headers = rv
            elif len(rv) == 2:
                rv, status = rv
            else:
                raise TypeError(
                    "The view function did not return a valid response tuple, but one of"
                    f" {len(rv)} items. The tuple must have the form (body, status, headers),"
                    " (body, status), or (body, headers)."
                )
        if isinstance(rv, (str, bytes, bytearray)) or (
            isinstance(rv, Iterator) and not isinstance(rv, Response)
        ):
            body: Any = rv
            return self.response_class(body, status, headers)
        if isinstance(rv, self.response_class):
            response = rv
        elif isinstance(rv, (dict, list)):
            response = self.json.response(rv)
        elif rv is None:
            raise TypeError(
                f"The view function for {_top_request().endpoint!r} did not return a valid"
                " response. The function either returned None or ended without a return statement."
            )
        elif isinstance(rv, Response) or callable(rv):
            try:
                response = self.response_class.force_type(rv, _top_request().environ)
            except TypeError as error:
                raise TypeError(f"{error}\n{_not_a_response(rv)}") from error
        else:
            raise TypeError(_not_a_response(rv))
        if status is not None:
            response.status = status
        if headers:
            response.headers.update(headers)
        return response

    def process_response(self, response: Response) -> Response:
        """Call the functions after the view, the last registered first, and save the session.

        :return: the response that they made of it.
        """
        ctx = _request_stack.top
        assert ctx is not None
        for after in ctx._after_request_functions:
            response = after(response)
        if self.after_request_funcs:
            for name in (*ctx.request.blueprints, None):
                for after in reversed(self.after_request_funcs.get(name, ())):
                    response = after(response)
        session = ctx._session
        if session is not None and not self.session_interface.is_null_session(session):
            self.session_interface.save_session(self, session, response)
        return response

    def do_teardown_request(self, exc: BaseException | None = _unset) -> None:
        """Call the teardown functions of the request, the last registered first.

        :param exc: what the request failed with.
        """
        if exc is _unset:
            exc = sys.exc_info()[1]
        if self.teardown_request_funcs:
            for name in (*_top_request().blueprints, None):
                for function in reversed(self.teardown_request_funcs.get(name, ())):
                    function(exc)
        if request_tearing_down.receivers:
            request_tearing_down.send(self, exc=exc)

    def do_teardown_appcontext(self, exc: BaseException | None = _unset) -> None:
        """Call the teardown functions of the application context, the last registered first."""
        if exc is _unset:
            exc = sys.exc_info()[1]
        for function in reversed(self.teardown_appcontext_funcs):
            function(exc)
        if appcontext_tearing_down.receivers:
            appcontext_tearing_down.send(self, exc=exc)

    # Errors

    def handle_user_exception(self, e: Exception) -> HTTPException | ResponseReturnValue:
        """Answer what a view raised, if it is an HTTP error or there is a handler for it.

        :raises Exception: `e` itself if not.
        """
        if isinstance(e, BadRequestKeyError) and (
            self.debug or self.config["TRAP_BAD_REQUEST_ERRORS"]
        ):
            e.show_exception = True
        if isinstance(e, HTTPException) and not self.trap_http_exception(e):
            return self.handle_http_exception(e)
        handler = self._find_error_handler(e, _top_request().blueprints)
        if handler is None:
            raise e
        rv: ResponseReturnValue = handler(e)
        return rv

    def handle_http_exception(self, e: HTTPException) -> HTTPException | ResponseReturnValue:
        """Answer an HTTP error: by its handler, or by its own response."""
        # A response that was passed to abort(), and redirects by routing, are no errors.
        if e.code is None or isinstance(e, RoutingException):
            return e
        handler = self._find_error_handler(e, _top_request().blueprints)
        return e if handler is None else handler(e)

    def handle_exception(self, e: Exception) -> Response:
        """Answer what nobody handled: log it, and send a 500 that says nothing of it.

        :raises Exception: `e` itself if PROPAGATE_EXCEPTIONS, or in debug mode or tests.
        """
        exc_info = sys.exc_info()
        got_request_exception.send(self, exception=e)
        propagate = self.config["PROPAGATE_EXCEPTIONS"]
        if propagate is None:
            propagate = self.testing or self.debug
        if propagate:
            raise e
        self.log_exception(exc_info)
        server_error: Any = InternalServerError(original_exception=e)
        handler = self._find_error_handler(server_error, _top_request().blueprints)
        if handler is not None:
            server_error = handler(server_error)
        return self.finalize_request(server_error, from_error_handler=True)

    def log_exception(
        self,
        exc_info: tuple[type[BaseException], BaseException, TracebackType]
        | tuple[None, None, None],
    ) -> None:
        """Log the exception of a request."""
        request = _top_request()
        self.logger.error(f"Exception on {request.path} [{request.method}]", exc_info=exc_info)

    def trap_http_exception(self, e: Exception) -> bool:
        """Whether to treat an HTTP error as any other exception (TRAP_...)."""
        if self.config["TRAP_HTTP_EXCEPTIONS"]:
            return True
        trap = self.config["TRAP_BAD_REQUEST_ERRORS"]
        if trap is None and self.debug and isinstance(e, BadRequestKeyError):
            return True
        return bool(trap) and isinstance(e, BadRequest)

    def should_ignore_error(self, error: BaseException | None) -> bool:
        """Whether teardown functions are not told of an error; for subclasses."""
        return False

    def _find_error_handler(
        self, e: Exception, blueprints: Iterable[str]
    ) -> ErrorHandlerCallable | None:
        """The most specific handler: for the code before others, the blueprint's before the
        application's, that of the class before those of its bases."""
        exc_class, code = self._get_exc_class_and_code(type(e))
        names = (*blueprints, None)
        for each_code in (code, None) if code is not None else (None,):
            for name in names:
                by_code = self.error_handler_spec.get(name)
                by_class = by_code.get(each_code) if by_code else None
                if by_class:
                    for cls in exc_class.__mro__:
                        if cls in by_class:
                            return by_class[cls]
        return None

    # URLs

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """The URL map bound to a request or, without one, to SERVER_NAME; None if that is not set.

        :raises SecurityError: if the host is not one of TRUSTED_HOSTS.
        """
        config = self.config
        if request is not None:
            trusted_hosts = config["TRUSTED_HOSTS"]
            if trusted_hosts is not None:
                request.trusted_hosts = trusted_hosts
            if request.trusted_hosts is not None:
                get_host(request.environ, request.trusted_hosts)
            server_name = subdomain = None
            if not self.url_map.host_matching:
                server_name = config["SERVER_NAME"]
                if not self.subdomain_matching:
                    subdomain = self.url_map.default_subdomain
            return self.url_map.bind_to_environ(request.environ, server_name, subdomain)
        if config["SERVER_NAME"] is None:
            return None
        return self.url_map.bind(
            config["SERVER_NAME"],
            script_name=config["APPLICATION_ROOT"],
            url_scheme=config["PREFERRED_URL_SCHEME"],
        )

    def url_for(
        self,
        /,
        endpoint: str,
        *,
        _anchor: str | None = None,
        _method: str | None = None,
        _scheme: str | None = None,
        _external: bool | None = None,
        **values: Any,
    ) -> str:
        """The URL for an endpoint.

        :param endpoint: one that starts with a dot is of the current blueprint.
        :param values: for the rule; those that are not in it go to the query string.
        :param _anchor: goes after a `#`.
        :param _method: that the rule has to allow.
        :param _scheme: instead of the request's; then it is external.
        :param _external: with scheme and host; by default outside of requests.
        :raises BuildError: if there is no such endpoint or a value is missing.
        :raises RuntimeError: outside of requests, if SERVER_NAME is not set.
        """
        ctx = _request_stack.top
        if ctx is not None:
            adapter = ctx.url_adapter
            if endpoint[:1] == ".":
                blueprint = ctx.request.blueprint
                endpoint = endpoint[1:] if blueprint is None else f"{blueprint}{endpoint}"
            if _external is None:
                _external = _scheme is not None
        else:
            app_ctx = _app_stack.top
            adapter = self.create_url_adapter(None) if app_ctx is None else app_ctx.url_adapter
            if _external is None:
                _external = True
        if adapter is None:
            raise RuntimeError(
                f"You asked for the URL of {endpoint!r} outside of a request, where the host is not"
                " known: set 'SERVER_NAME', and 'APPLICATION_ROOT' and 'PREFERRED_URL_SCHEME' if"
                " they differ from '/' and 'http'."
            )
        if _scheme is not None and not _external:
            raise ValueError("When specifying '_scheme', '_external' must be True.")
        self.inject_url_defaults(endpoint, values)
        try:
            url = adapter.build(
                endpoint, values, method=_method, url_scheme=_scheme, force_external=_external
            )
        except BuildError as error:
            values.update(_anchor=_anchor, _method=_method, _scheme=_scheme, _external=_external)
            return self.handle_url_build_error(error, endpoint, values)
        if _anchor is not None:
            fragment = quote(_anchor, safe="%!#$&'()*+,/:;=?@")
            url = f"{url}#{fragment}"
        return url

    def inject_url_defaults(self, endpoint: str, values: dict[str, Any]) -> None:
        """Have the `url_defaults` functions complete the values for an endpoint."""
        if not self.url_default_functions:
            return
        names: list[str | None] = [None]
        parts = endpoint.split(".")[:-1]
        names.extend(".".join(parts[: count + 1]) for count in range(len(parts)))
        for name in names:
            for function in self.url_default_functions.get(name, ()):
                function(endpoint, values)

    def handle_url_build_error(
        self, error: BuildError, endpoint: str, values: dict[str, Any]
    ) -> str:
        """Ask the `url_build_error_handlers` for a URL.

        :raises BuildError: if none has one.
        """
        for handler in self.url_build_error_handlers:
            try:
                url = handler(error, endpoint, values)
            except BuildError as e:
                error = e
            else:
                if url is not None:
                    return url
        raise error

    def redirect(self, location: str, code: int = 302) -> Response:
        """A response that sends the client to another URL; `redirect` calls this."""
        return _redirect(location, code, self.response_class)

    # Templates

    def update_template_context(self, context: dict[str, Any]) -> None:
        """Add what the context processors return, except what is there already."""
        ctx = _request_stack.top
        names = (None,) if ctx is None else (None, *reversed(ctx.request.blueprints))
        given = dict(context)
        for name in names:
            for processor in self.template_context_processors.get(name, ()):
                context.update(processor())
        context.update(given)

    # Contexts

    def app_context(self) -> AppContext:
        """A context in which this is the `current_app`; use it as a with block."""
        return AppContext(self)

    def request_context(self, environ: WSGIEnvironment) -> RequestContext:
        """A context for a request; use it as a with block."""
        return RequestContext(self, environ)

    def test_request_context(self, *args: Any, **kwargs: Any) -> RequestContext:
        """A context for a request made of the arguments, which are those of the test client."""
        from .testing import EnvironBuilder

        builder = EnvironBuilder(self, *args, **kwargs)
        try:
            return self.request_context(builder.get_environ())
        finally:
            builder.close()

    # Running

    def test_client(self, use_cookies: bool = True, **kwargs: Any) -> FlaskClient:
        """A client that calls the application without a server.

        :param use_cookies: keep cookies between requests.
        """
        from .testing import FlaskClient

        cls = self.test_client_class or FlaskClient
        return cls(self, self.response_class, use_cookies=use_cookies, **kwargs)

    def run(
        self,
        host: str | None = None,
        port: int | None = None,
        debug: bool | None = None,
        load_dotenv: bool = True,
        **options: Any,
    ) -> None:
        """Serve on a development server until interrupted.

        :param host: to listen on; by default that of SERVER_NAME, else 127.0.0.1.
        :param port: to listen on; by default that of SERVER_NAME, else 5000.
        :param debug: set debug mode.
        :param load_dotenv: accepted as Flask does, and without effect.
        :param options: of `reference_app.serving.run_simple`; `use_debugger` is accepted as Flask
            does, and without effect: there is no debugger to open in a browser.
        """
        # The only place where the framework knows a server, and only when it is asked to.
        from ..serving import run_simple

        if "FLASK_DEBUG" in os.environ:
            self.debug = get_debug_flag()
        if debug is not None:
            self.debug = bool(debug)
        name, _, name_port = (self.config["SERVER_NAME"] or "").partition(":")
        if port is None:
            port = int(name_port) if name_port else 5000
        options.setdefault("use_reloader", self.debug)
        options.pop("use_debugger", None)
        options.setdefault("threaded", True)
        try:
            run_simple(host or name or "127.0.0.1", int(port), self, **options)
        finally:
            # So that an interactive session can go on setting up.
            self._got_first_request = False


def _top_request() -> Request:
    """The request on top of the stack; the `request` proxy finds the same, more slowly."""
    ctx = _request_stack.top
    assert ctx is not None, "a request method of the application was called outside of a request"
    return ctx.request


def _not_a_response(rv: object) -> str:
    return (
        "The view function did not return a valid response. The return type must be a string,"
        " dict, list, tuple with headers or status, Response instance, or WSGI callable, but it was"
        f" a {type(rv).__name__}."
    )
