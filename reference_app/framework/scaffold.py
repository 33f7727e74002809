"""Registration, as applications and blueprints share it.

The decorators here call nothing. Each puts a function where a request will find it: `route` into
`view_functions` (through `add_url_rule`), `before_request` into `before_request_funcs`, and so on.
From there the functions are called by `app.py`, as its docstring shows. The dicts are by the name
of the blueprint that they are for, and None is for every request of the application.
"""

from __future__ import annotations

import importlib.util
import os
import pathlib
import sys
from collections import defaultdict
from collections.abc import Callable
from datetime import timedelta
from functools import update_wrapper
from typing import IO, TYPE_CHECKING, Any, NoReturn, TypeVar, cast

from jinja2 import BaseLoader, FileSystemLoader

from .exceptions import HTTPException, default_exceptions
from .globals import current_app
from .typing import (
    AfterRequestCallable,
    AppOrBlueprintKey,
    BeforeRequestCallable,
    ErrorHandlerCallable,
    RouteCallable,
    TeardownCallable,
    TemplateContextProcessorCallable,
    URLDefaultCallable,
    URLValuePreprocessorCallable,
)
from .utils import cached_property

if TYPE_CHECKING:
    from .response import Response

F = TypeVar("F", bound=Callable[..., Any])


def setupmethod(method: F) -> F:
    """Wrap a method that sets up, so that it cannot be called when it is too late."""
    name = method.__name__

    def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        self._check_setup_finished(name)
        return method(self, *args, **kwargs)

    return cast(F, update_wrapper(wrapper, method))


def _endpoint_from_view_func(view_func: RouteCallable | None) -> str:
    if view_func is None:
        raise AssertionError(
            "You added a URL rule with neither an endpoint nor a view function: the endpoint is the"
            " name of the function unless you say one."
        )
    return view_func.__name__


class Scaffold:
    """What can be registered on an application and on a blueprint.

    :param import_name: of the module or package that the files belong to, usually `__name__`.
    :param static_folder: of static files, below the root path.
    :param static_url_path: where they are found; by default the name of the folder.
    :param template_folder: of templates, below the root path.
    :param root_path: of the files, if it is not that of the module.
    """

    name: str
    import_name: str
    _static_folder: str | None = None
    _static_url_path: str | None = None

    def __init__(
        self,
        import_name: str,
        static_folder: str | os.PathLike[str] | None = None,
        static_url_path: str | None = None,
        template_folder: str | os.PathLike[str] | None = None,
        root_path: str | None = None,
    ) -> None:
        self.import_name = import_name
        self.static_folder = static_folder
        self.static_url_path = static_url_path
        self.template_folder = template_folder
        self.root_path = get_root_path(import_name) if root_path is None else root_path

        self.view_functions: dict[str, RouteCallable] = {}
        # By blueprint, then by code (None for classes without one), then by class.
        self.error_handler_spec: dict[
            AppOrBlueprintKey, dict[int | None, dict[type[Exception], ErrorHandlerCallable]]
        ] = defaultdict(lambda: defaultdict(dict))
        self.before_request_funcs: dict[AppOrBlueprintKey, list[BeforeRequestCallable]]
        self.before_request_funcs = defaultdict(list)
        self.after_request_funcs: dict[AppOrBlueprintKey, list[AfterRequestCallable]]
        self.after_request_funcs = defaultdict(list)
        self.teardown_request_funcs: dict[AppOrBlueprintKey, list[TeardownCallable]]
        self.teardown_request_funcs = defaultdict(list)
        self.template_context_processors: dict[
            AppOrBlueprintKey, list[TemplateContextProcessorCallable]
        ] = defaultdict(list)
        self.url_value_preprocessors: dict[AppOrBlueprintKey, list[URLValuePreprocessorCallable]]
        self.url_value_preprocessors = defaultdict(list)
        self.url_default_functions: dict[AppOrBlueprintKey, list[URLDefaultCallable]]
        self.url_default_functions = defaultdict(list)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}>"

    def _check_setup_finished(self, f_name: str) -> None:
        raise NotImplementedError

    # Files

    @property
    def static_folder(self) -> str | None:
        """The folder of static files, as absolute path."""
        if self._static_folder is None:
            return None
        return os.path.join(self.root_path, self._static_folder)

    @static_folder.setter
    def static_folder(self, value: str | os.PathLike[str] | None) -> None:
        self._static_folder = None if value is None else os.fspath(value).rstrip("\\/")

    @property
    def has_static_folder(self) -> bool:
        """Whether there are static files."""
        return self.static_folder is not None

    @property
    def static_url_path(self) -> str | None:
        """Where static files are found."""
        if self._static_url_path is not None:
            return self._static_url_path
        if self.static_folder is None:
            return None
        return f"/{os.path.basename(self.static_folder)}".rstrip("/")

    @static_url_path.setter
    def static_url_path(self, value: str | None) -> None:
        self._static_url_path = None if value is None else value.rstrip("/")

    @cached_property
    def jinja_loader(self) -> BaseLoader | None:
        """Finds the templates of the template folder."""
        if self.template_folder is None:
            return None
        return FileSystemLoader(os.path.join(self.root_path, self.template_folder))

    def get_send_file_max_age(self, filename: str | None) -> int | None:
        """The seconds for which a file may be cached, by default SEND_FILE_MAX_AGE_DEFAULT."""
        value: int | timedelta | None = current_app.config["SEND_FILE_MAX_AGE_DEFAULT"]
        return int(value.total_seconds()) if isinstance(value, timedelta) else value

    def send_static_file(self, filename: str) -> Response:
        """The view for static files.

        :raises RuntimeError: if there are none.
        """
        from .files import send_from_directory

        if self.static_folder is None:
            raise RuntimeError(
                f"You asked {self!r} for a static file, but it has no static_folder. Pass one to"
                " the constructor."
            )
        max_age = self.get_send_file_max_age(filename)
        return send_from_directory(self.static_folder, filename, max_age=max_age)

    def open_resource(
        self, resource: str, mode: str = "rb", encoding: str | None = None
    ) -> IO[Any]:
        """Open a file below the root path for reading.

        :raises ValueError: if `mode` is not "r", "rt" or "rb".
        """
        if mode not in {"r", "rt", "rb"}:
            raise ValueError(f"Resources can only be opened for reading, not with mode {mode!r}.")
        path = os.path.join(self.root_path, resource)
        return open(path, mode, encoding=None if mode == "rb" else encoding)

    # Routes

    @setupmethod
    def route(self, rule: str, **options: Any) -> Callable[[F], F]:
        """Decorate a view function; see `add_url_rule`."""

        def decorator(f: F) -> F:
            endpoint = options.pop("endpoint", None)
            self.add_url_rule(rule, endpoint, f, **options)
            return f

        return decorator

    def _method_route(self, method: str, rule: str, options: dict[str, Any]) -> Callable[[F], F]:
        if "methods" in options:
            raise TypeError(
                f"You passed methods to {method.lower()}(), which is for one method. Use the"
                " 'route' decorator to use the 'methods' argument."
            )
        return self.route(rule, methods=[method], **options)

    @setupmethod
    def get(self, rule: str, **options: Any) -> Callable[[F], F]:
        """`route` for GET."""
        return self._method_route("GET", rule, options)

    @setupmethod
    def post(self, rule: str, **options: Any) -> Callable[[F], F]:
        """`route` for POST."""
        return self._method_route("POST", rule, options)

    @setupmethod
    def put(self, rule: str, **options: Any) -> Callable[[F], F]:
        """`route` for PUT."""
        return self._method_route("PUT", rule, options)

    @setupmethod
    def delete(self, rule: str, **options: Any) -> Callable[[F], F]:
        """`route` for DELETE."""
        return self._method_route("DELETE", rule, options)

    @setupmethod
    def patch(self, rule: str, **options: Any) -> Callable[[F], F]:
        """`route` for PATCH."""
        return self._method_route("PATCH", rule, options)

    def add_url_rule(
        self,
        rule: str,
        endpoint: str | None = None,
        view_func: RouteCallable | None = None,
        provide_automatic_options: bool | None = None,
        **options: Any,
    ) -> None:
        """Connect a URL rule with a view function; see `Flask.add_url_rule`."""
        raise NotImplementedError

    @setupmethod
    def endpoint(self, endpoint: str) -> Callable[[F], F]:
        """Decorate the view function of an endpoint whose rule was added without one."""

        def decorator(f: F) -> F:
            self.view_functions[endpoint] = f
            return f

        return decorator

    # Functions around views

    @setupmethod
    def before_request(self, f: F) -> F:
        """Have a function called before views; what it returns, unless None, is the answer."""
        self.before_request_funcs.setdefault(None, []).append(f)
        return f

    @setupmethod
    def after_request(self, f: F) -> F:
        """Have a function called with the response; it returns that or another one.

        Not called if the view fails and there is no handler for it.
        """
        self.after_request_funcs.setdefault(None, []).append(f)
        return f

    @setupmethod
    def teardown_request(self, f: F) -> F:
        """Have a function called when the request is over, with what it failed with or None.

        What it returns is ignored, and it must not fail.
        """
        self.teardown_request_funcs.setdefault(None, []).append(f)
        return f

    @setupmethod
    def context_processor(self, f: F) -> F:
        """Have a function called before templates; the dict that it returns is added to theirs."""
        self.template_context_processors[None].append(f)
        return f

    @setupmethod
    def url_value_preprocessor(self, f: F) -> F:
        """Have a function called with the endpoint and the URL's values before anything else."""
        self.url_value_preprocessors[None].append(f)
        return f

    @setupmethod
    def url_defaults(self, f: F) -> F:
        """Have a function called with the endpoint and values that a URL is built from."""
        self.url_default_functions[None].append(f)
        return f

    # Error handlers

    @setupmethod
    def errorhandler(self, code_or_exception: type[Exception] | int) -> Callable[[F], F]:
        """Decorate the function that answers a status code or a class of exceptions."""

        def decorator(f: F) -> F:
            self.register_error_handler(code_or_exception, f)
            return f

        return decorator

    @setupmethod
    def register_error_handler(
        self, code_or_exception: type[Exception] | int, f: ErrorHandlerCallable
    ) -> None:
        """As `errorhandler`, but a call.

        :raises ValueError: for a code that is no error.
        :raises TypeError: for something that is no class of exceptions.
        """
        exc_class, code = self._get_exc_class_and_code(code_or_exception)
        self.error_handler_spec[None][code][exc_class] = f

    @staticmethod
    def _get_exc_class_and_code(
        exc_class_or_code: type[Exception] | int,
    ) -> tuple[type[Exception], int | None]:
        if isinstance(exc_class_or_code, int):
            if exc_class_or_code not in default_exceptions:
                raise ValueError(
                    f"'{exc_class_or_code}' is not a recognized HTTP error code. Use a subclass of"
                    " HTTPException with that code instead."
                )
            exc_class: type[Exception] = default_exceptions[exc_class_or_code]
        else:
            exc_class = exc_class_or_code
        if isinstance(exc_class, Exception):
            raise TypeError(
                f"{exc_class!r} is an instance, not a class. Handlers can only be registered for"
                " Exception classes or HTTP error codes."
            )
        if not issubclass(exc_class, Exception):
            raise ValueError(
                f"'{exc_class.__name__}' is not a subclass of Exception. Handlers can only be"
                " registered for Exception classes or HTTP error codes."
            )
        return exc_class, exc_class.code if issubclass(exc_class, HTTPException) else None

    @property
    def cli(self) -> NoReturn:
        """Not there: the command line of Flask is not part of this framework."""
        raise AttributeError(
            "This framework has no command line: what you registered on app.cli works on Flask"
            " only. Write a script that uses app.app_context()."
        )


# Where files are


def get_root_path(import_name: str) -> str:
    """The folder of a module or package, or the working directory if there is no such module.

    :raises RuntimeError: if the module is there but has no file.
    """
    module = sys.modules.get(import_name)
    if module is not None and getattr(module, "__file__", None) is not None:
        return os.path.dirname(os.path.abspath(cast(str, module.__file__)))
    try:
        spec = importlib.util.find_spec(import_name)
    except (ImportError, ValueError):
        spec = None
    if spec is None or spec.loader is None:
        # The interactive session, or a namespace package that is not there yet.
        return os.getcwd()
    get_filename = getattr(spec.loader, "get_filename", None)
    if get_filename is not None:
        path = get_filename(import_name)
    else:
        path = getattr(importlib.import_module(import_name), "__file__", None)
    if not isinstance(path, str):
        raise RuntimeError(
            f"No root path can be found for the module {import_name!r}: it has no file of its own,"
            " because it is a namespace package or was made by an import hook. Pass root_path=."
        )
    return os.path.dirname(os.path.abspath(path))


def _find_package_path(import_name: str) -> str:
    """The folder that contains a package or module."""
    root, _, _ = import_name.partition(".")
    try:
        spec = importlib.util.find_spec(root)
    except (ImportError, ValueError):
        spec = None
    if spec is None:
        return os.getcwd()
    if not spec.submodule_search_locations:
        assert spec.origin is not None
        return os.path.dirname(spec.origin)
    if spec.origin is not None and spec.origin != "namespace":
        return os.path.dirname(os.path.dirname(spec.origin))
    # A namespace package is in several places: take the one that the inner package is in.
    locations = list(spec.submodule_search_locations)
    inner = importlib.util.find_spec(import_name)
    if inner is not None and inner.submodule_search_locations:
        inside = pathlib.Path(os.path.commonpath(inner.submodule_search_locations))
        locations = [each for each in locations if inside.is_relative_to(each)] or locations
    return os.path.dirname(locations[0])


def find_package(import_name: str) -> tuple[str | None, str]:
    """The prefix under which a package is installed, None if it is not; and its folder."""
    package_path = _find_package_path(import_name)
    prefix = os.path.abspath(sys.prefix)
    if pathlib.PurePath(package_path).is_relative_to(prefix):
        return prefix, package_path
    parent, folder = os.path.split(package_path)
    if folder.lower() == "site-packages":
        grandparent, parent_folder = os.path.split(parent)
        if parent_folder.lower() == "lib":
            return grandparent, package_path
        if os.path.basename(grandparent).lower() == "lib":
            return os.path.dirname(grandparent), package_path
        return parent, package_path
    return None, package_path
