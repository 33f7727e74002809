"""bjoern, by `bjoern.run` (its README)."""

from __future__ import annotations

import bjoern

from reference_app.launch import parser
from reference_app.wsgi import application

if __name__ == "__main__":
    arguments = parser("bjoern").parse_args()
    bjoern.run(application, arguments.host, arguments.port)
