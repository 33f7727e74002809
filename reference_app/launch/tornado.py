"""Tornado's server with a `WSGIContainer` (Tornado documentation, "tornado.wsgi")."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.wsgi import WSGIContainer

from reference_app.launch import parser
from reference_app.wsgi import application


class Executor(ThreadPoolExecutor):
    """A thread pool whose tasks run each in a context of its own, as in `asyncio.to_thread`.

    Tornado makes a task of the call of the application and one of each step of its iterable. What
    one of them left in its thread's context would be found there by any later request.
    """

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Submit a task."""
        return super().submit(copy_context().run, fn, *args, **kwargs)


async def serve(host: str, port: int, threads: int | None) -> None:
    """Serve until the process ends; without threads the application blocks the event loop."""
    # Before release 6.3 there was no executor to give.
    options = {"executor": Executor(threads)} if threads else {}
    HTTPServer(WSGIContainer(application, **options)).listen(port, host)
    await asyncio.Event().wait()


if __name__ == "__main__":
    options = parser("tornado")
    options.add_argument("--threads", type=int, help="threads of the executor; none without it")
    arguments = options.parse_args()
    asyncio.run(serve(arguments.host, arguments.port, arguments.threads))
