"""Tornado's server with a `WSGIContainer` (Tornado documentation, "tornado.wsgi")."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from tornado.httpserver import HTTPServer
from tornado.wsgi import WSGIContainer

from reference_app.launch import parser
from reference_app.wsgi import application


async def serve(host: str, port: int, threads: int | None) -> None:
    """Serve until the process ends; without threads the application blocks the event loop."""
    executor = ThreadPoolExecutor(threads) if threads else None
    HTTPServer(WSGIContainer(application, executor=executor)).listen(port, host)
    await asyncio.Event().wait()


if __name__ == "__main__":
    options = parser("tornado")
    options.add_argument("--threads", type=int, help="threads of the executor; none without it")
    arguments = options.parse_args()
    asyncio.run(serve(arguments.host, arguments.port, arguments.threads))
