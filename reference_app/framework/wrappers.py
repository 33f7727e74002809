"""`Request` and `Response` under the path where Flask has them; see `request.py`, `response.py`."""

from .request import Request
from .response import Response

__all__ = ["Request", "Response"]
