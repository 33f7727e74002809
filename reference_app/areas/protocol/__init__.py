"""The protocol area: plain WSGI callables, one behaviour each, at the paths below `/wsgi/`.

What PEP 3333 lets an application do, and what it forbids, no framework would let a view do: call
`start_response` twice, yield before it, use `write()`, announce a length and not keep it. So these
paths are served around the framework, by callables that take environ and start_response and have
nothing in between. What a response cannot show (that `close()` ran, how much of a body was read)
goes to the journal under the `key` of the query.
"""

from reference_app.areas.protocol import bodies, endings, files, requests, starting, streams
from reference_app.areas.protocol.core import Middleware
from reference_app.areas.protocol.validation import Validation

#: The modules whose applications are served; importing them is what registers them.
MODULES = (requests, streams, starting, bodies, endings, files)

__all__ = ["MODULES", "Middleware", "Validation"]
