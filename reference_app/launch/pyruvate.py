"""pyruvate, by `pyruvate.serve` (its README)."""

from __future__ import annotations

import pyruvate

from reference_app.launch import parser
from reference_app.wsgi import application

if __name__ == "__main__":
    options = parser("pyruvate")
    options.add_argument("--threads", type=int, default=8, help="workers")
    arguments = options.parse_args()
    pyruvate.serve(application, f"{arguments.host}:{arguments.port}", arguments.threads)
