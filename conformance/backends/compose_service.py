"""A Compose service's keys as the Docker SDK takes them: a run and `docker compose up` agree.

Each key of a service is translated or known to be of no use to a run; one that is not understood is
an error with file and line, never a silent difference. Nothing here talks to an engine, and whether
the file describes servers at all is the registry's business.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from typing import Any

from conformance.backends import BackendError
from conformance.registry import EXTENSION, Server, interpolate

#: Keys of a service that are for Compose alone, and why a run has no use for them.
_UNUSED: dict[str, str] = {
    EXTENSION: "read by the registry",
    "attach": "whose output Compose shows is Compose's business",
    "build": "the images are built beforehand, by Compose",
    "ports": "every run publishes on a random port, so that runs do not meet",
    "depends_on": "the harness decides what starts when",
    "pull_policy": "the image is built before anything starts",
    "restart": "the suite restarts what died, and says so",
    "profiles": "the names given to the harness decide what starts",
    "networks": "a run's servers have nothing to say to each other",
}


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"expected text, found {value!r}")
    return value


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"expected true or false, found {value!r}")
    return value


def _number(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"expected a whole number, found {value!r}")
    return value


def _texts(value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError(f"expected a list of texts, found {value!r}")
    return value


def _words(value: Any) -> list[str]:
    return shlex.split(value) if isinstance(value, str) else _texts(value)


def _size(value: Any) -> int | str:
    if not re.fullmatch(r"\d+(\.\d+)?[bkmg]?b?", str(value), re.IGNORECASE):
        raise ValueError(f"expected a size such as 512m, found {value!r}")
    return value if isinstance(value, int) else _text(value)


def duration(value: Any) -> float:
    """A Compose duration ("10s", "1m30s", "500ms") in seconds.

    :raises ValueError: it is none. Source: the Compose file reference, "Specifying durations".
    """
    units = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
    pattern = r"(\d+(?:\.\d+)?)(us|ms|s|m|h)"
    text = str(value)
    if not re.fullmatch(f"({pattern})+", text):
        raise ValueError(f"expected a duration such as 10s or 1m30s, found {value!r}")
    return sum(float(number) * units[unit] for number, unit in re.findall(pattern, text))


def _tmpfs(value: Any) -> dict[str, str]:
    mounts = (
        item.partition(":") for item in ([value] if isinstance(value, str) else _texts(value))
    )
    return {path: options for path, _, options in mounts}


#: Seconds between two health checks of a container that the harness started. It watches for
#: readiness itself, and better: a health check knows nothing of the identity. Each is one more
#: process in the container, and one more request among those that a check counts.
_HEALTHCHECK_INTERVAL_S = 30.0


def _healthcheck(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"expected a mapping, found {value!r}")
    if value.get("disable"):
        return {"test": ["NONE"]}
    durations = ("interval", "timeout", "start_period")
    for key in value:
        if key not in ("test", "retries", "disable", *durations):
            raise ValueError(f"`{key}` in it is not understood here")
    check: dict[str, Any] = {
        key: int(duration(value[key]) * 1e9) for key in durations if key in value
    }
    check["interval"] = max(check.get("interval", 0), int(_HEALTHCHECK_INTERVAL_S * 1e9))
    if "retries" in value:
        check["retries"] = _number(value["retries"])
    test = value.get("test")
    check["test"] = ["CMD-SHELL", test] if isinstance(test, str) else _texts(test)
    return check


def _environment(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        raise ValueError(f"expected a mapping, found {value!r}")
    for name, text in value.items():
        if text is None:
            raise ValueError(
                f"{name} has no value: it would come from the environment of whoever starts the"
                " run, and nothing of that goes into a container. Write the value"
            )
    return {str(name): str(text) for name, text in value.items()}


#: A key of a service: the parameter of the SDK's `containers.create`, and how its value is read.
_TRANSLATED: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "image": ("image", _text),
    "command": ("command", _words),
    "entrypoint": ("entrypoint", _words),
    "working_dir": ("working_dir", _text),
    "user": ("user", str),
    "environment": ("environment", _environment),
    "init": ("init", _truth),
    "read_only": ("read_only", _truth),
    "cap_drop": ("cap_drop", _texts),
    "cap_add": ("cap_add", _texts),
    "security_opt": ("security_opt", _texts),
    "tmpfs": ("tmpfs", _tmpfs),
    "mem_limit": ("mem_limit", _size),
    "pids_limit": ("pids_limit", _number),
    "healthcheck": ("healthcheck", _healthcheck),
    "stop_signal": ("stop_signal", _text),
}


def container_settings(server: Server, variables: Mapping[str, str]) -> dict[str, Any]:
    """What a service says of its container, as parameters of the SDK's `containers.create`.

    :param variables: what Compose would interpolate in the file.
    :raises BackendError: a key or a value that is not understood, with file and line.
    """
    settings: dict[str, Any] = {}
    for key, value in server.service.items():
        if key in _UNUSED:
            continue
        try:
            if key == "stop_grace_period":
                duration(
                    value
                )  # used by `stop`, where it is needed; checked before anything starts
            elif key in _TRANSLATED:
                parameter, translate = _TRANSLATED[key]
                settings[parameter] = translate(_interpolated(value, variables))
            else:
                raise ValueError(
                    "is not understood, and it may change how the server runs. Known are "
                    + ", ".join(sorted({*_TRANSLATED, *_UNUSED, "stop_grace_period"}))
                )
        except ValueError as error:
            lines = getattr(server.service, "lines", {})
            where = ":".join(str(part) for part in (server.source, lines.get(key)) if part)
            raise BackendError(f"{where}: {server.name}: `{key}`: {error}") from error
    if "image" not in settings:
        raise BackendError(
            f"{server.source}: {server.name}: no `image`, so there is nothing to run in a"
            " container; name the image that its `build` makes"
        )
    return settings


def _interpolated(value: Any, variables: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return interpolate(value, variables)
    if isinstance(value, list):
        return [_interpolated(item, variables) for item in value]
    if isinstance(value, dict):
        return {key: _interpolated(item, variables) for key, item in value.items()}
    return value
