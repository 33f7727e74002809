"""What the tests of the harness share."""

from __future__ import annotations

import os

# Every run that a test makes starts pytest processes, and each would rewrite the assertions of the
# whole suite anew: bytecode is what they share.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
