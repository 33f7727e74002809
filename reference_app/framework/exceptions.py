"""HTTP errors as exceptions: raise one, and the client gets its response.

    Exception
    `-- HTTPException
        |-- BadRequest (400) -- BadRequestKeyError (also a KeyError), SecurityError, BadHost,
        |                       ClientDisconnected
        |-- Unauthorized (401) ... one class for each status that is an error
        `-- InternalServerError (500) ... HTTPVersionNotSupported (505)

Each one is a WSGI application. The bodies are those that Flask sends, so that a client cannot tell
the two apart. Redirects by routing are in `routing/exceptions.py`. The module is as long as the
list of statuses.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, NoReturn
from wsgiref.types import StartResponse, WSGIEnvironment

from markupsafe import Markup, escape

from .http import HTTP_STATUS_CODES, http_date

if TYPE_CHECKING:
    from .datastructures import WWWAuthenticate
    from .response import Response


class HTTPException(Exception):
    """An error that is answered with a response of its own.

    :param description: shown to the client; escaped, newlines become `<br>`.
    :param response: sent instead of one made from code and description.
    """

    code: int | None = None
    description: str | None = None

    def __init__(self, description: str | None = None, response: Response | None = None) -> None:
        super().__init__()
        if description is not None:
            self.description = description
        self.response = response

    @property
    def name(self) -> str:
        """The reason phrase of the status."""
        return HTTP_STATUS_CODES.get(self.code or 0, "Unknown Error")

    def get_description(self, environ: WSGIEnvironment | None = None) -> str:
        """The description as HTML."""
        text = escape(self.description or "").replace("\n", Markup("<br>"))
        return f"<p>{text}</p>"

    def get_body(self, environ: WSGIEnvironment | None = None) -> str:
        """The page that is sent."""
        name = escape(self.name)
        return (
            "<!doctype html>\n<html lang=en>\n"
            f"<title>{self.code} {name}</title>\n"
            f"<h1>{name}</h1>\n"
            f"{self.get_description(environ)}\n"
        )

    def get_headers(self, environ: WSGIEnvironment | None = None) -> list[tuple[str, str]]:
        """The header fields that are sent."""
        return [("Content-Type", "text/html; charset=utf-8")]

    def get_response(self, environ: WSGIEnvironment | None = None) -> Response:
        """The response, as passed in or made now."""
        from .response import Response

        if self.response is not None:
            return self.response
        return Response(self.get_body(environ), self.code, self.get_headers(environ))

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return self.get_response(environ)(environ, start_response)

    def __str__(self) -> str:
        return f"{self.code or '???'} {self.name}: {self.description}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} '{self.code or '???'}: {self.name}'>"


class BadRequest(HTTPException):
    """The request is malformed."""

    code = 400
    description = "The browser (or proxy) sent a request that this server could not understand."


class BadRequestKeyError(BadRequest, KeyError):
    """A key that a client was expected to send is missing.

    The client learns the name of the key only if `show_exception` is set, as in debug mode.
    """

    show_exception = False
    _description: str = BadRequest.description

    def __init__(self, arg: object = None, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        KeyError.__init__(self, *(() if arg is None else (arg,)))

    @property
    def description(self) -> str:
        if self.show_exception:
            return f"{self._description}\nKeyError: {KeyError.__str__(self)}"
        return self._description

    @description.setter
    def description(self, value: str) -> None:
        self._description = value


class ClientDisconnected(BadRequest):
    """The client went away before the body was complete."""


class SecurityError(BadRequest):
    """The request looks like an attack, such as a host that is not trusted."""


class BadHost(BadRequest):
    """The host of the request is no host name."""


class Unauthorized(HTTPException):
    """Credentials are missing or wrong.

    :param www_authenticate: one or more challenges for the WWW-Authenticate field.
    """

    code = 401
    description = (
        "The server could not verify that you are authorized to access the URL requested. You"
        " either supplied the wrong credentials (e.g. a bad password), or your browser doesn't"
        " understand how to supply the credentials required."
    )

    def __init__(
        self,
        description: str | None = None,
        response: Response | None = None,
        www_authenticate: WWWAuthenticate | Iterable[WWWAuthenticate] | None = None,
    ) -> None:
        super().__init__(description, response)
        if www_authenticate is None:
            self.www_authenticate: tuple[WWWAuthenticate, ...] = ()
        elif isinstance(www_authenticate, Iterable):
            self.www_authenticate = tuple(www_authenticate)
        else:
            self.www_authenticate = (www_authenticate,)

    def get_headers(self, environ: WSGIEnvironment | None = None) -> list[tuple[str, str]]:
        challenges = [("WWW-Authenticate", str(each)) for each in self.www_authenticate]
        return super().get_headers(environ) + challenges


class Forbidden(HTTPException):
    """The client may not have this."""

    code = 403
    description = (
        "You don't have the permission to access the requested resource. It is either"
        " read-protected or not readable by the server."
    )


class NotFound(HTTPException):
    """There is nothing at this URL."""

    code = 404
    description = (
        "The requested URL was not found on the server. If you entered the URL manually please"
        " check your spelling and try again."
    )


class MethodNotAllowed(HTTPException):
    """The URL exists, but not for this method.

    :param valid_methods: for the Allow field (RFC 9110 section 15.5.6).
    """

    code = 405
    description = "The method is not allowed for the requested URL."

    def __init__(
        self,
        valid_methods: Iterable[str] | None = None,
        description: str | None = None,
        response: Response | None = None,
    ) -> None:
        super().__init__(description, response)
        self.valid_methods = valid_methods

    def get_headers(self, environ: WSGIEnvironment | None = None) -> list[tuple[str, str]]:
        headers = super().get_headers(environ)
        if self.valid_methods:
            headers.append(("Allow", ", ".join(self.valid_methods)))
        return headers


class NotAcceptable(HTTPException):
    """There is no representation that the client accepts."""

    code = 406
    description = (
        "The resource identified by the request is only capable of generating response entities"
        " which have content characteristics not acceptable according to the accept headers sent"
        " in the request."
    )


class RequestTimeout(HTTPException):
    """The client took too long."""

    code = 408
    description = (
        "The server closed the network connection because the browser didn't finish the request"
        " within the specified time."
    )


class Conflict(HTTPException):
    """The resource is in a state that does not allow this."""

    code = 409
    description = (
        "A conflict happened while processing the request. The resource might have been modified"
        " while the request was being processed."
    )


class Gone(HTTPException):
    """The resource existed and does no more."""

    code = 410
    description = (
        "The requested URL is no longer available on this server and there is no forwarding"
        " address. If you followed a link from a foreign page, please contact the author of this"
        " page."
    )


class LengthRequired(HTTPException):
    """The body must announce its length."""

    code = 411
    description = "A request with this method requires a valid <code>Content-Length</code> header."


class PreconditionFailed(HTTPException):
    """A condition of the request does not hold."""

    code = 412
    description = "The precondition on the request for the URL failed positive evaluation."


class RequestEntityTooLarge(HTTPException):
    """The body is larger than this application takes."""

    code = 413
    description = "The data value transmitted exceeds the capacity limit."


class RequestURITooLarge(HTTPException):
    """The URL is too long."""

    code = 414
    description = (
        "The length of the requested URL exceeds the capacity limit for this server. The request"
        " cannot be processed."
    )


class UnsupportedMediaType(HTTPException):
    """The body is of a type that is not understood here."""

    code = 415
    description = "The server does not support the media type transmitted in the request."


class RequestedRangeNotSatisfiable(HTTPException):
    """The range asked for lies outside the resource.

    :param length: of the whole resource, for the Content-Range field (RFC 9110 section 15.5.17).
    :param units: of `length`.
    """

    code = 416
    description = "The server cannot provide the requested range."

    def __init__(
        self,
        length: int | None = None,
        units: str = "bytes",
        description: str | None = None,
        response: Response | None = None,
    ) -> None:
        super().__init__(description, response)
        self.length = length
        self.units = units

    def get_headers(self, environ: WSGIEnvironment | None = None) -> list[tuple[str, str]]:
        headers = super().get_headers(environ)
        if self.length is not None:
            headers.append(("Content-Range", f"{self.units} */{self.length}"))
        return headers


class ExpectationFailed(HTTPException):
    """The Expect field asks for something that is not offered."""

    code = 417
    description = "The server could not meet the requirements of the Expect header"


class ImATeapot(HTTPException):
    """Coffee was asked of a teapot (RFC 2324)."""

    code = 418
    description = "This server is a teapot, not a coffee machine"


class MisdirectedRequest(HTTPException):
    """This server does not answer for that host."""

    code = 421
    description = "The server is not able to produce a response."


class UnprocessableEntity(HTTPException):
    """The body is well-formed but makes no sense here."""

    code = 422
    description = (
        "The request was well-formed but was unable to be followed due to semantic errors."
    )


class Locked(HTTPException):
    """The resource is locked (RFC 4918)."""

    code = 423
    description = "The resource that is being accessed is locked."


class FailedDependency(HTTPException):
    """An action that this one depends on failed (RFC 4918)."""

    code = 424
    description = (
        "The method could not be performed on the resource because the requested action depended"
        " on another action and that action failed."
    )


class PreconditionRequired(HTTPException):
    """The request must be conditional (RFC 6585)."""

    code = 428
    description = (
        'This request is required to be conditional; try using "If-Match" or "If-Unmodified-Since".'
    )


class _RetryAfter(HTTPException):
    """An error after which a client may try again.

    :param retry_after: seconds or a date, for the Retry-After field (RFC 9110 section 10.2.3).
    """

    def __init__(
        self,
        description: str | None = None,
        response: Response | None = None,
        retry_after: datetime | int | None = None,
    ) -> None:
        super().__init__(description, response)
        self.retry_after = retry_after

    def get_headers(self, environ: WSGIEnvironment | None = None) -> list[tuple[str, str]]:
        headers = super().get_headers(environ)
        if isinstance(self.retry_after, datetime):
            headers.append(("Retry-After", http_date(self.retry_after)))
        elif self.retry_after:
            headers.append(("Retry-After", str(self.retry_after)))
        return headers


class TooManyRequests(_RetryAfter):
    """The client asks too often (RFC 6585)."""

    code = 429
    description = "This user has exceeded an allotted request count. Try again later."


class RequestHeaderFieldsTooLarge(HTTPException):
    """The header is too large (RFC 6585)."""

    code = 431
    description = "One or more header fields exceeds the maximum size."


class UnavailableForLegalReasons(HTTPException):
    """The law forbids the answer (RFC 7725)."""

    code = 451
    description = "Unavailable for legal reasons."


class InternalServerError(HTTPException):
    """The application failed.

    :param original_exception: what a 500 error handler finds in the attribute of this name.
    """

    code = 500
    description = (
        "The server encountered an internal error and was unable to complete your request. Either"
        " the server is overloaded or there is an error in the application."
    )

    def __init__(
        self,
        description: str | None = None,
        response: Response | None = None,
        original_exception: BaseException | None = None,
    ) -> None:
        super().__init__(description, response)
        self.original_exception = original_exception


class NotImplemented(HTTPException):
    """The server cannot do this at all."""

    code = 501
    description = "The server does not support the action requested by the browser."


class BadGateway(HTTPException):
    """A server behind this one gave nonsense."""

    code = 502
    description = "The proxy server received an invalid response from an upstream server."


class ServiceUnavailable(_RetryAfter):
    """The server cannot answer just now."""

    code = 503
    description = (
        "The server is temporarily unable to service your request due to maintenance downtime or"
        " capacity problems. Please try again later."
    )


class GatewayTimeout(HTTPException):
    """A server behind this one took too long."""

    code = 504
    description = "The connection to an upstream server timed out."


class HTTPVersionNotSupported(HTTPException):
    """The request is of an HTTP version that is not spoken here."""

    code = 505
    description = "The server does not support the HTTP protocol version used in the request."


default_exceptions: dict[int, type[HTTPException]] = {}
for _class in list(vars().values()):
    if isinstance(_class, type) and issubclass(_class, HTTPException) and _class.code is not None:
        # The first class of a code is the general one, its subclasses follow it.
        default_exceptions.setdefault(_class.code, _class)


class Aborter:
    """Raises the exception for a status code; an application has one as `app.aborter`.

    :param mapping: classes by code, by default all of this module.
    :param extra: more of them.
    """

    def __init__(
        self,
        mapping: Mapping[int, type[HTTPException]] | None = None,
        extra: Mapping[int, type[HTTPException]] | None = None,
    ) -> None:
        self.mapping = {**(default_exceptions if mapping is None else mapping), **(extra or {})}

    def __call__(self, code: int | Response, *args: Any, **kwargs: Any) -> NoReturn:
        """Raise the exception for `code`, made from the other arguments.

        :param code: a status, or a response that is sent as it is.
        :raises LookupError: if there is no exception for that status.
        """
        from .response import Response

        if isinstance(code, Response):
            raise HTTPException(response=code)
        if code not in self.mapping:
            raise LookupError(
                f"no exception for {code!r}: abort() takes one of"
                f" {', '.join(map(str, sorted(self.mapping)))}, or a response."
            )
        raise self.mapping[code](*args, **kwargs)


_aborter = Aborter()


def abort(code: int | Response, *args: Any, **kwargs: Any) -> NoReturn:
    """Raise the exception for a status code; see `Aborter`."""
    _aborter(code, *args, **kwargs)
