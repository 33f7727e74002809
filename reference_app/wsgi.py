"""What every server loads: `reference_app.wsgi:application`."""

import os

from reference_app.application import create_app

#: What is to be wrong with this module, for the checks of how a server starts.
_FAULT = os.environ.get("WSGI_CONFORM_FAULT")

if _FAULT == "import-failure":
    raise RuntimeError("the application fails at its import, as it was told to")

application = create_app()

if _FAULT == "no-callable":
    del application
