"""Mutants of what is at work at once: threads, processes, and what the next request finds there."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from reference_app.application import create_app
from reference_app.areas import context, context_stages
from reference_app.framework import Flask, Response, current_app, request, stream_with_context
from reference_app.framework import copy_current_request_context as copy
from reference_app.framework.ctx import AppContext, RequestContext, _AppCtxGlobals
from reference_app.framework.globals import _app_stack
from reference_app.framework.local import LocalProxy
from tests.mutants import application_mutant
from tests.mutants.building import behind, with_flask, with_names
from tests.mutants.messages import rows

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

STAGES = (
    "before-request after-request teardown-request teardown-appcontext error-handler template "
    "stream nested copied"
)


def in_another_thread(function: Callable[[], Any]) -> Any:
    """What a function returns, or raises, that is called in a thread of its own."""
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.extend((function(), None))
        except BaseException as error:
            outcome.extend((None, error))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    result, error = outcome
    if error is not None:
        raise error
    return result


@application_mutant("g-is-the-last-that-came", breaks=rows("context/held", STAGES))
def g_is_the_last_that_came() -> WSGIApplication:
    came: list[Any] = []

    class Context(AppContext):
        def push(self) -> None:
            super().push()
            came[:] = [self.g]

    with_names(context_stages, g=LocalProxy(lambda: came[0]))
    return with_flask(app_context=lambda self: Context(self))


@application_mutant("held-stream-without-context", breaks=["context/held/stream"])
def held_stream_without_context() -> WSGIApplication:
    return with_names(context_stages, stream_with_context=lambda generator: generator)


@application_mutant("one-copy-for-all", breaks=["context/held/copied"])
def one_copy_for_all() -> WSGIApplication:
    copies: list[Any] = []

    def copy_first(function: Any) -> Any:
        copies.append(copy(function))
        return copies[0]

    return with_names(context_stages, copy_current_request_context=copy_first)


@application_mutant(
    "inner-context-is-not-popped",
    breaks=["context/held/nested"],
)
def inner_context_is_not_popped() -> WSGIApplication:
    class Context(RequestContext):
        def pop(self, *args: Any) -> None:
            if self.request.path != "/inner":
                super().pop(*args)

    def request_context(self: Flask, environ: WSGIEnvironment) -> RequestContext:
        return Context(self, environ)

    return with_flask(request_context=request_context)


@application_mutant("flashes-are-shared", breaks=["context/flash/isolated"])
def flashes_are_shared() -> WSGIApplication:
    class Context(RequestContext):
        shared: Any = None

        @property
        def flashes(self) -> Any:
            return Context.shared

        @flashes.setter
        def flashes(self, value: Any) -> None:
            Context.shared = value or Context.shared

    return with_flask(request_context=lambda self, environ: Context(self, environ))


@application_mutant("templates-have-the-last-request", breaks=["context/template/isolated"])
def templates_have_the_last_request() -> WSGIApplication:
    came: list[Any] = []

    def request_context(self: Flask, environ: WSGIEnvironment) -> RequestContext:
        made = RequestContext(self, environ)
        came[:] = [made.request]
        return made

    def update_template_context(self: Flask, values: dict[str, Any]) -> None:
        Flask.update_template_context(self, values)
        values["request"] = came[0]

    return with_flask(
        request_context=request_context, update_template_context=update_template_context
    )


@application_mutant("urls-are-built-once", breaks=["context/url-for/isolated"])
def urls_are_built_once() -> WSGIApplication:
    built: dict[str, str] = {}

    def url_for(self: Flask, endpoint: str, **values: Any) -> str:
        return built.setdefault(endpoint, Flask.url_for(self, endpoint, **values))

    return with_flask(url_for=url_for)


@application_mutant(
    "locals-are-global",
    breaks=["context/context-variable/isolated", "context/thread-local/isolated"],
)
def locals_are_global() -> WSGIApplication:
    class Variable:
        value = ""

        def get(self) -> str:
            return self.value

        def set(self, value: str) -> None:
            self.value = value

    return with_names(context, _variable=Variable(), _thread_local=SimpleNamespace())


@application_mutant("teardown-is-told-of-no-error", breaks=["context/errors/own-in-teardown"])
def teardown_is_told_of_no_error() -> WSGIApplication:
    return with_flask(
        do_teardown_request=lambda self, exc=None: Flask.do_teardown_request(self, None)
    )


def around(
    wrap: Callable[[WSGIApplication, WSGIEnvironment, StartResponse], Iterable[bytes]],
) -> WSGIApplication:
    """The application behind a middleware that calls it itself."""
    application = create_app()

    def middleware(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return wrap(application, environ, start_response)

    return middleware


@application_mutant("environ-is-one-dict", breaks=["context/environ/isolated"])
def environ_is_one_dict() -> WSGIApplication:
    shared: dict[str, Any] = {}

    def call(
        application: WSGIApplication, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        shared.update(environ)
        return application(shared, start_response)

    return around(call)


@application_mutant("fields-are-kept", breaks=["context/environ/next-on-connection"])
def fields_are_kept() -> WSGIApplication:
    kept: dict[str, Any] = {}

    def keep(environ: WSGIEnvironment) -> None:
        kept.update({name: environ[name] for name in environ if name.startswith("HTTP_")})
        environ.update(kept)

    return behind(keep)


@application_mutant("input-is-the-last-that-came", breaks=["context/input/isolated"])
def input_is_the_last_that_came() -> WSGIApplication:
    came: list[Any] = []

    class Input:
        def __getattr__(self, name: str) -> Any:
            return getattr(came[0], name)

    def change(environ: WSGIEnvironment) -> None:
        came[:] = [environ["wsgi.input"]]
        environ["wsgi.input"] = Input()

    return behind(change)


@application_mutant("response-fields-are-shared", breaks=["context/response/isolated/returned"])
def response_fields_are_shared() -> WSGIApplication:
    announced: list[Any] = []

    def call(
        application: WSGIApplication, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        def announce(*arguments: Any) -> Any:
            announced[:] = [arguments]

        blocks = list(application(environ, announce))
        start_response(*announced[0])
        return blocks

    return around(call)


@application_mutant(
    "output-buffer-is-shared",
    breaks=["context/response/isolated/iterated", "context/response/isolated/written"],
)
def output_buffer_is_shared() -> WSGIApplication:
    # The block that was begun last is what everyone goes on with.
    begun: list[bytes] = []

    def call(
        application: WSGIApplication, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        wrote: list[bytes] = []

        def sent(block: bytes) -> bytes:
            if not wrote:
                wrote.append(block)
                begun[:] = [block]
                return block
            return begun[0]

        def start(*arguments: Any) -> Any:
            write = start_response(*arguments)
            return lambda block: write(sent(block))

        return map(sent, application(environ, start))

    return around(call)


@application_mutant(
    "after-this-request-is-after-all",
    breaks=rows("context/nothing-left", "answer http-error error hook-error stream"),
)
def after_this_request_is_after_all() -> WSGIApplication:
    functions: list[Any] = []

    class Context(RequestContext):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            self._after_request_functions = functions

    return with_flask(request_context=lambda self, environ: Context(self, environ))


@application_mutant("called-while-handling-an-error", breaks=["context/nothing-left/answer"])
def called_while_handling_an_error() -> WSGIApplication:
    def call(
        application: WSGIApplication, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        try:
            raise KeyError("of an earlier request")
        except KeyError:
            return application(environ, start_response)

    return around(call)


@application_mutant("contexts-are-left", breaks=rows("context/nothing-left", "answer reset error"))
def contexts_are_left() -> WSGIApplication:
    application = create_app()

    def middleware(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        try:
            return application(environ, start_response)
        finally:
            _app_stack.push(AppContext(application))

    return middleware


@application_mutant(
    "streams-are-not-closed",
    breaks=["context/nothing-left/abandoned-stream", "context/thread/same/close"],
)
def streams_are_not_closed() -> WSGIApplication:
    # Kept, so that nothing is closed for being forgotten either.
    kept: list[Any] = []

    def call(
        application: WSGIApplication, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        iterable = application(environ, start_response)
        blocks = iter(iterable)
        kept.append((iterable, blocks))
        return map(bytes, blocks)

    return around(call)


class Elsewhere:
    """An iterable whose steps are taken in threads of their own.

    :param steps: those of which this is so: `iteration`, `close`.
    """

    def __init__(self, iterable: Iterable[bytes], *steps: str) -> None:
        self._iterable = iterable
        self._blocks = iter(iterable)
        self._steps = steps

    def _take(self, step: str, function: Callable[[], Any]) -> Any:
        return in_another_thread(function) if step in self._steps else function()

    def __iter__(self) -> Iterator[bytes]:
        while (block := self._take("iteration", lambda: next(self._blocks, None))) is not None:
            yield block

    def close(self) -> None:
        self._take("close", getattr(self._iterable, "close", lambda: None))


@application_mutant(
    "iterated-elsewhere",
    breaks=["context/thread/same/iteration", "context/context-variable/iteration"],
)
def iterated_elsewhere() -> WSGIApplication:
    return around(
        lambda application, environ, start: Elsewhere(application(environ, start), "iteration")
    )


@application_mutant("closed-elsewhere", breaks=["context/thread/same/close"])
def closed_elsewhere() -> WSGIApplication:
    return around(
        lambda application, environ, start: Elsewhere(application(environ, start), "close")
    )


@application_mutant("more-processes-than-declared", breaks=["context/processes/as-declared"])
def more_processes_than_declared() -> WSGIApplication:
    # Told apart by the thread, since there is nothing else here that could be a process.
    return with_names(context, os=SimpleNamespace(getpid=threading.get_ident))


@application_mutant("an-application-per-thread", breaks=["context/process/one-application"])
def an_application_per_thread() -> WSGIApplication:
    own = threading.local()

    def middleware(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if not hasattr(own, "application"):
            own.application = create_app()
        answer: Iterable[bytes] = own.application(environ, start_response)
        return answer

    return middleware


@application_mutant(
    "message-says-nothing", breaks=["context/outside/needs-application/current-app"]
)
def message_says_nothing() -> WSGIApplication:
    bare: Any = LocalProxy(
        _app_stack, "app", unbound_message="Working outside of application context."
    )
    return with_names(context, current_app=bare)


@application_mutant("every-stream-keeps-its-context", breaks=["context/stream/without-context"])
def every_stream_keeps_its_context() -> WSGIApplication:
    def respond(blocks: Iterator[str], **options: Any) -> Response:
        return Response(stream_with_context(blocks), **options)

    return with_names(context, Response=respond)


@application_mutant("proxy-instead-of-the-object", breaks=["context/proxies/handed-over"])
def proxy_instead_of_the_object() -> WSGIApplication:
    class Proxy:
        def __getattr__(self, name: str) -> Any:
            return self if name == "_get_current_object" else getattr(request, name)

        def __call__(self) -> Any:
            return self

    return with_names(context, request=Proxy())


@application_mutant("other-applications-ignored", breaks=["context/nested/other-application"])
def other_applications_ignored() -> WSGIApplication:
    return with_names(context, Flask=lambda name: current_app)


@application_mutant("g-pops-nothing", breaks=["context/g/methods"])
def g_pops_nothing() -> WSGIApplication:
    class Globals(_AppCtxGlobals):
        def pop(self, name: str, default: Any = None) -> Any:
            return self.get(name, default)

    return with_flask(app_ctx_globals_class=Globals)
