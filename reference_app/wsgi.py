"""What every server loads: `reference_app.wsgi:application`."""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

#: What is to be wrong with this module, for the checks of how a server starts.
_FAULT = os.environ.get("WSGI_CONFORM_FAULT")

if _FAULT == "import-failure":
    raise RuntimeError("the application fails at its import, as it was told to")

application: "WSGIApplication"
if os.environ.get("WSGI_CONFORM_APP"):
    # Somebody's own application: the reference framework need not be installed.
    from reference_app import own

    application = own.application()
else:
    from reference_app.application import create_app

    application = create_app()

if _FAULT == "no-callable":
    del application
