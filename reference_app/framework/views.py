"""Views as classes."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, ClassVar

from .globals import request
from .typing import RouteCallable

http_method_funcs = frozenset(["get", "post", "head", "options", "delete", "put", "trace", "patch"])


class View:
    """A view function as a class: `dispatch_request` handles the request."""

    methods: ClassVar[Collection[str] | None] = None
    provide_automatic_options: ClassVar[bool | None] = None
    # Applied to the view function, the first one innermost.
    decorators: ClassVar[list[Callable[..., Any]]] = []
    # Whether each request has an object of its own.
    init_every_request: ClassVar[bool] = True

    def dispatch_request(self) -> Any:
        """Handle a request; gets the URL's values as keyword arguments."""
        raise NotImplementedError

    @classmethod
    def as_view(cls, name: str, *class_args: Any, **class_kwargs: Any) -> RouteCallable:
        """A view function for the class.

        :param name: of the function, hence of the endpoint; the other arguments are for objects.
        """
        shared = None if cls.init_every_request else cls(*class_args, **class_kwargs)

        def dispatch(**kwargs: Any) -> Any:
            instance = shared
            if instance is None:
                # A decorator or an extension may have put a subclass there.
                instance = view.view_class(*class_args, **class_kwargs)
            return instance.dispatch_request(**kwargs)

        view: Any = dispatch
        # Decorators see the final name, and so does the application after them.
        for decorator in (None, *cls.decorators):
            view = view if decorator is None else decorator(view)
            view.__name__ = name
            view.__module__ = cls.__module__
        view.__doc__ = cls.__doc__
        view.view_class = cls
        view.methods = cls.methods
        view.provide_automatic_options = cls.provide_automatic_options
        function: RouteCallable = view
        return function


class MethodView(View):
    """A view with a method for each HTTP method: `get`, `post`, ..."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "methods" not in cls.__dict__:
            methods = {name.upper() for name in http_method_funcs if hasattr(cls, name)}
            for base in cls.__bases__:
                methods.update(getattr(base, "methods", None) or ())
            if methods:
                cls.methods = methods

    def dispatch_request(self, **kwargs: Any) -> Any:
        method = getattr(self, request.method.lower(), None)
        if method is None and request.method == "HEAD":
            method = getattr(self, "get", None)
        assert method is not None, f"Unimplemented method {request.method!r}"
        return method(**kwargs)
