"""The framework that the application is written against: this repository's, or Flask itself.

`WSGI_CONFORM_FRAMEWORK=flask` swaps the import and nothing else. The application imports these
names from here only, so what it does on the one it has to do on the other.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

FRAMEWORK = os.environ.get("WSGI_CONFORM_FRAMEWORK") or "reference"

if TYPE_CHECKING or FRAMEWORK == "reference":
    from reference_app.framework import (
        Blueprint,
        Flask,
        Request,
        Response,
        abort,
        after_this_request,
        copy_current_request_context,
        current_app,
        flash,
        g,
        get_flashed_messages,
        has_app_context,
        has_request_context,
        jsonify,
        make_response,
        redirect,
        render_template,
        render_template_string,
        request,
        send_file,
        send_from_directory,
        session,
        stream_with_context,
        url_for,
    )
    from reference_app.framework.exceptions import (
        Gone,
        HTTPException,
        InternalServerError,
    )
elif FRAMEWORK == "flask":
    from flask import (
        Blueprint,
        Flask,
        Request,
        Response,
        abort,
        after_this_request,
        copy_current_request_context,
        current_app,
        flash,
        g,
        get_flashed_messages,
        has_app_context,
        has_request_context,
        jsonify,
        make_response,
        redirect,
        render_template,
        render_template_string,
        request,
        send_file,
        send_from_directory,
        session,
        stream_with_context,
        url_for,
    )
    from werkzeug.exceptions import (
        Gone,
        HTTPException,
        InternalServerError,
    )
else:
    raise ImportError(
        f"WSGI_CONFORM_FRAMEWORK is {FRAMEWORK!r}; expected 'reference' (the default) or 'flask'"
    )

__all__ = [
    "FRAMEWORK",
    "Blueprint",
    "Flask",
    "Gone",
    "HTTPException",
    "InternalServerError",
    "Request",
    "Response",
    "abort",
    "after_this_request",
    "copy_current_request_context",
    "current_app",
    "flash",
    "g",
    "get_flashed_messages",
    "has_app_context",
    "has_request_context",
    "jsonify",
    "make_response",
    "redirect",
    "render_template",
    "render_template_string",
    "request",
    "send_file",
    "send_from_directory",
    "session",
    "stream_with_context",
    "url_for",
]
