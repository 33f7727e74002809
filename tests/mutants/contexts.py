"""Mutants of the contexts: what should belong to one request is seen by others, or is not there."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Iterable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from reference_app.application import create_app
from reference_app.areas import context
from reference_app.framework import Flask
from reference_app.framework.ctx import RequestContext, _AppCtxGlobals
from reference_app.framework.local import LocalProxy
from reference_app.serving import WSGIRequestHandler
from tests.mutants import application_mutant, server_mutant
from tests.mutants.building import behind, with_flask, with_names, with_request, with_session
from tests.mutants.messages import rows

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


@application_mutant(
    "one-request-at-a-time",
    breaks=[
        "context/concurrency/as-declared",
        "context/g/isolated",
        "context/request/isolated",
        "context/request/headers-isolated",
        "context/request/body-isolated",
        "context/session/isolated",
    ],
)
def one_request_at_a_time() -> WSGIApplication:
    application, turn = create_app(), threading.Lock()

    def middleware(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        with turn:
            return application(environ, start_response)

    return middleware


@server_mutant("more-threads-than-declared", breaks=["context/concurrency/not-more"])
def more_threads_than_declared() -> type[WSGIRequestHandler]:
    class Handler(WSGIRequestHandler):
        def setup(self) -> None:
            super().setup()
            self.server.workers._limit = None  # type: ignore[attr-defined]

    return Handler


@application_mutant(
    "concurrency-denied",
    breaks=["context/multithread-flag", "context/multiprocess-flag", "context/flags/observed"],
)
def concurrency_denied() -> WSGIApplication:
    return behind(
        lambda environ: environ.update(
            {"wsgi.multithread": False, "wsgi.multiprocess": True, "wsgi.run_once": True}
        )
    )


@application_mutant(
    "g-is-global",
    breaks=[
        "context/g/isolated",
        "context/g/isolated-in-teardown",
        "context/g/empty-at-start",
        "context/g/empty-after-error",
        "context/g/empty-on-kept-connection",
        "context/load/unique-payloads",
        "context/load/kept-connections",
        "context/load/beside-held",
        "context/load/mixed",
        "context/concurrency/kept-connections",
        "context/errors/others-unaffected",
        "context/errors/own-in-teardown",
        "context/reset/others-unaffected",
        "context/nested",
        *rows(
            "context/nothing-left",
            "answer http-error error hook-error nested-error stream failed-stream reset "
            "abandoned-stream",
        ),
    ],
)
def g_is_global() -> WSGIApplication:
    shared = _AppCtxGlobals()
    return with_flask(app_ctx_globals_class=staticmethod(lambda: shared))


@application_mutant(
    "request-is-the-last-that-came",
    breaks=[
        "context/request/isolated",
        "context/request/headers-isolated",
        "context/request/body-isolated",
    ],
)
def request_is_the_last_that_came() -> WSGIApplication:
    came: list[Any] = []

    def request_context(self: Flask, environ: WSGIEnvironment) -> RequestContext:
        made = RequestContext(self, environ)
        came[:] = [made.request]
        return made

    with_names(context, request=LocalProxy(lambda: came[0]))
    return with_flask(request_context=request_context)


@application_mutant(
    "session-is-shared-at-once",
    breaks=[
        "context/session/isolated",
        "context/session/own-cookie",
        "context/load/kept-connections",
    ],
)
def session_is_shared_at_once() -> WSGIApplication:
    shared = with_session().session_interface.session_class()  # type: ignore[attr-defined]
    return with_session(open_session=lambda self, app, request: shared)


@application_mutant(
    "threads-inherit-the-context",
    breaks=[
        "context/outside",
        "context/outside/application-only",
        *rows("context/outside/needs-request", "request session flash after-this-request copied"),
        *rows("context/outside/needs-application", "current-app g url-for template"),
    ],
)
def threads_inherit_the_context() -> WSGIApplication:
    class Heir(threading.Thread):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self._inherited = contextvars.copy_context()

        def run(self) -> None:
            self._inherited.run(super().run)

    return with_names(context, threading=SimpleNamespace(Thread=Heir))


@application_mutant("request-context-not-copied", breaks=["context/copied-to-thread"])
def request_context_not_copied() -> WSGIApplication:
    return with_names(context, copy_current_request_context=lambda function: function)


@application_mutant("request-is-false", breaks=["context/proxies"])
def request_is_false() -> WSGIApplication:
    return with_request(__bool__=lambda self: False)


@application_mutant("stream-without-context", breaks=["context/stream"])
def stream_without_context() -> WSGIApplication:
    return with_names(context, stream_with_context=lambda generator: generator)
