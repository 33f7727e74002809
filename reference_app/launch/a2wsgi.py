"""The application for servers of ASGI, by a2wsgi's `WSGIMiddleware` (its README)."""

from a2wsgi import WSGIMiddleware

from reference_app.wsgi import application as wsgi_application

application = WSGIMiddleware(wsgi_application)
