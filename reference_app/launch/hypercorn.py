"""Hypercorn with a thread pool of a known size (Hypercorn documentation, "API Usage").

Its command leaves the size to asyncio, which goes by the number of processors.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from hypercorn.asyncio import serve
from hypercorn.config import Config

from reference_app.launch import parser
from reference_app.wsgi import application


async def run(host: str, port: int, threads: int) -> None:
    """Serve until a signal ends it."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(threads))
    config = Config()
    config.bind = [f"{host}:{port}"]
    await serve(application, config, mode="wsgi")


if __name__ == "__main__":
    options = parser("hypercorn")
    options.add_argument("--threads", type=int, default=8, help="that run the application")
    arguments = options.parse_args()
    asyncio.run(run(arguments.host, arguments.port, arguments.threads))
