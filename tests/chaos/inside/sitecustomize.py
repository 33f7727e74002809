"""What Python imports first of all in a server under chaos: it makes the application late.

The application is wrapped in its `wsgi_app`, so that it stays what it is for whoever imports it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType


class _Finder(MetaPathFinder):
    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != "reference_app.wsgi":
            return None
        spec = PathFinder.find_spec(name, path, target)
        assert spec is not None
        assert spec.loader is not None
        execute = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            _make_late(module)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def _make_late(module: ModuleType) -> None:
    sys.path.append(str(Path(__file__).parents[3]))
    from tests.chaos.application import late

    application = getattr(module, "application", None)
    if application is not None:  # a server is tried without one as well
        application.wsgi_app = late(application.wsgi_app, os.environ["WSGI_CONFORM_CHAOS"])


if "WSGI_CONFORM_CHAOS" in os.environ:
    sys.meta_path.insert(0, _Finder())
