"""Somebody's own application in the place of the reference application.

Every server loads `reference_app.wsgi:application`. With WSGI_CONFORM_APP that is the application
which the variable names, called with the same environ and giving its own iterable. Two paths are
answered here, so that the harness knows what it talks to. Nothing of the framework is imported.
"""

from __future__ import annotations

import ast
import importlib
import json
import os
import platform
import site
import sys
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

#: "package.module:callable".
APPLICATION = "WSGI_CONFORM_APP"
#: The directories that it is imported from, separated as in PYTHONPATH; the first is the project's.
PATH = "WSGI_CONFORM_APP_PATH"
#: The identity that the harness gave to the deployment.
_TOKEN = "WSGI_CONFORM_DEPLOYMENT"


class Unusable(Exception):
    """The application cannot be served; says what was found and where it was looked for."""


@dataclass(frozen=True)
class Name:
    """What "package.module:callable" says.

    :param attribute: a dotted name in the module.
    :param arguments: what to call it with to get the application, and by which keywords; None where
        it is the application itself.
    """

    module: str
    attribute: str
    arguments: tuple[list[Any], dict[str, Any]] | None


def parse(text: str) -> Name:
    """Read the name of an application.

    :param text: `module:name`, `module:object.attribute` or `module:factory("argument", key=1)`.
    :raises ValueError: it is none of these.
    """
    module, _, expression = text.partition(":")
    wrong = ValueError(
        f"expected an application like package.module:callable, or package.module:factory(), "
        f"found {text!r}"
    )
    try:
        node = ast.parse(expression.strip(), mode="eval").body
        arguments = None
        if isinstance(node, ast.Call):
            positional = [ast.literal_eval(argument) for argument in node.args]
            by_keyword = {
                str(keyword.arg): ast.literal_eval(keyword.value)
                for keyword in node.keywords
                if keyword.arg
            }
            if len(by_keyword) != len(node.keywords):  # **something
                raise wrong
            arguments, node = (positional, by_keyword), node.func
    except (SyntaxError, ValueError):
        raise wrong from None
    attribute = ast.unparse(node)
    if not all(part.isidentifier() for part in [*module.split("."), *attribute.split(".")]):
        raise wrong
    return Name(module, attribute, arguments)


def load(text: str) -> WSGIApplication:
    """Import an application.

    :param text: its name (`parse`).
    :raises Unusable: it cannot be imported, or is not callable.
    """
    try:
        name = parse(text)
        found: Any = importlib.import_module(name.module)
        for part in name.attribute.split("."):
            found = getattr(found, part)
        if name.arguments is not None:
            positional, by_keyword = name.arguments
            found = found(*positional, **by_keyword)
    # What ends the process while it is imported, sys.exit() among it, has to be told as well.
    except (Exception, SystemExit) as error:
        # Told as a whole and at the end: what is before it in a server's log may be cut off.
        raise Unusable(f"{text} cannot be imported\n{_traceback(error)}") from None
    if not callable(found):
        raise Unusable(f"{text} is of type {type(found).__name__}, which is no WSGI application")
    application: WSGIApplication = found
    return application


def _traceback(error: BaseException) -> str:
    """A traceback without the frames of this module and of the import system."""
    told = traceback.TracebackException.from_exception(error)
    told.stack = traceback.StackSummary.from_list(
        [
            frame
            for frame in told.stack
            if frame.filename not in (__file__, importlib.__file__)
            and not frame.filename.startswith("<frozen importlib")
        ]
    )
    if isinstance(error, ImportError):
        where = f"modules are looked for in {', '.join(sys.path)}\n"
    else:
        where = ""
    return where + "".join(told.format()).rstrip()


def add_directories(directories: Sequence[str]) -> None:
    """Have modules imported from these directories, after those of the server's environment.

    So the server runs with the versions that it was installed with. The first directory becomes the
    working directory, as it is where projects are started.
    """
    for directory in directories:
        if Path(directory).name in ("site-packages", "dist-packages"):
            # With its .pth files, by which packages are installed in editable form.
            site.addsitedir(directory)
        elif directory not in sys.path:
            sys.path.append(directory)
    if directories:
        os.chdir(directories[0])


def hidden() -> list[str]:
    """The distributions that both environments have, where the server's is of another version."""
    first: dict[str, str] = {}
    found = []
    for distribution in distributions():
        name = distribution.name.lower().replace("_", "-")
        version = first.setdefault(name, distribution.version)
        if version != distribution.version:
            found.append(f"{distribution.name} {version} (the project has {distribution.version})")
    return sorted(set(found))


def identified(application: WSGIApplication) -> WSGIApplication:
    """The application with `/-/identity` and `/-/versions`, by which the harness knows it."""
    documents: dict[str, Callable[[], dict[str, Any]]] = {
        "/-/identity": _identity,
        "/-/versions": _versions,
    }

    def identified(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        document = documents.get(environ.get("PATH_INFO", ""))
        if document is None or environ["REQUEST_METHOD"] != "GET":
            return application(environ, start_response)
        body = json.dumps(document()).encode()
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        start_response("200 OK", headers)
        return [body]

    return identified


def _identity() -> dict[str, Any]:
    return {
        "deployment": os.environ.get(_TOKEN),
        "framework": "own",
        "python": platform.python_version(),
        "pid": os.getpid(),
    }


def _versions() -> dict[str, str]:
    found: dict[str, str] = {}
    for distribution in distributions():
        # What is imported is what is found first.
        found.setdefault(distribution.name, distribution.version)
    others: dict[str, str] = json.loads(os.environ.get("WSGI_CONFORM_VERSIONS", "{}"))
    return found | others


def application() -> WSGIApplication:
    """The application that the environment names, ready to be served.

    :raises Unusable: it cannot be imported, or is not callable.
    """
    add_directories([path for path in os.environ.get(PATH, "").split(os.pathsep) if path])
    for text in hidden():
        print(f"wsgi-conform: the server's environment has {text}", file=sys.stderr, flush=True)
    return identified(load(os.environ[APPLICATION]))
