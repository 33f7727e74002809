"""The types that applications see: what views return, and the functions they register."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias
from wsgiref.types import WSGIApplication

if TYPE_CHECKING:
    from .datastructures import Headers
    from .response import Response

    HeadersValue: TypeAlias = Headers | Mapping[str, Any] | Sequence[tuple[str, Any]]
    ResponseValue: TypeAlias = (
        Response | str | bytes | list[Any] | Mapping[str, Any] | Iterator[str] | Iterator[bytes]
    )
    ResponseReturnValue: TypeAlias = (
        ResponseValue
        | tuple[ResponseValue, HeadersValue]
        | tuple[ResponseValue, int]
        | tuple[ResponseValue, int, HeadersValue]
        | WSGIApplication
    )

# A name of a blueprint, or None for the application itself.
AppOrBlueprintKey: TypeAlias = str | None
RouteCallable: TypeAlias = Callable[..., Any]
BeforeRequestCallable: TypeAlias = Callable[[], Any]
AfterRequestCallable: TypeAlias = Callable[[Any], Any]
TeardownCallable: TypeAlias = Callable[[BaseException | None], Any]
ErrorHandlerCallable: TypeAlias = Callable[[Any], Any]
TemplateContextProcessorCallable: TypeAlias = Callable[[], dict[str, Any]]
URLValuePreprocessorCallable: TypeAlias = Callable[[str | None, dict[str, Any] | None], None]
URLDefaultCallable: TypeAlias = Callable[[str, dict[str, Any]], None]
