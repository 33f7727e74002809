"""Rocket, by `Rocket3` (its README)."""

from __future__ import annotations

from rocket3 import Rocket3

from reference_app.launch import parser
from reference_app.wsgi import application

if __name__ == "__main__":
    options = parser("rocket3")
    options.add_argument("--threads", type=int, default=8, help="at the most")
    arguments = options.parse_args()
    Rocket3(
        (arguments.host, arguments.port),
        "wsgi",
        {"wsgi_app": application},
        min_threads=arguments.threads,
        max_threads=arguments.threads,
    ).start()
