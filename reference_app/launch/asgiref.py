"""The application for servers of ASGI, by asgiref's `WsgiToAsgi` (its README)."""

from asgiref.wsgi import WsgiToAsgi

from reference_app.wsgi import application as wsgi_application

application = WsgiToAsgi(wsgi_application)
