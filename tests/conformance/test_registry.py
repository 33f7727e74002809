"""The registry: what is read from a Compose file, the words for every mistake, the shipped one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from conformance import registry
from conformance.registry import RegistryError, UnknownServer, interpolate

GOOD = """\
services:
  server:
    command: serve --port ${WSGI_PORT:-8000} 'two words'
    environment:
      PORT: ${WSGI_PORT:-8000}
      NUMBER: 3
      PASSED_ON:
    x-wsgi-conform:
      project: Some-Server
      requirements: requirements.txt
      documentation: https://example.org
      capabilities: {threads: 2}
  database:
    image: not-a-server
"""
PINNED = "other==1.0 \\\n    --hash=sha256:0\nsome-server==4.5.6 \\\n    --hash=sha256:1\n"


def load(directory: Path, text: str) -> list[registry.Server]:
    """The servers of a Compose file with this text."""
    (directory / "requirements.txt").write_text(PINNED, encoding="utf-8")
    path = directory / "compose.yaml"
    path.write_text(text, encoding="utf-8")
    return registry.load(path)


def test_a_server_is_read_with_its_pinned_version(tmp_path: Path) -> None:
    [server] = load(tmp_path, GOOD)
    assert server.as_json() == {
        "name": "server",
        "project": "Some-Server",
        "version": "4.5.6",
        "command": "serve --port 8000 'two words'",
        "capabilities": {
            "threads": 2,
            "processes": 1,
            "keep-alive": False,
            "chunked-input": True,
            "supervised": False,
        },
        "backends": ["docker", "process"],
        "documentation": "https://example.org",
    }


def test_commands_are_words_or_text(tmp_path: Path) -> None:
    [server] = load(tmp_path, GOOD.replace("serve --port ${WSGI_PORT:-8000} 'two words'", "[a, 1]"))
    assert server.command() == ["a", "1"]


def test_command_and_environment_are_interpolated(tmp_path: Path) -> None:
    [server] = load(tmp_path, GOOD)
    assert server.command({"WSGI_PORT": "9"}) == ["serve", "--port", "9", "two words"]
    assert server.environment({"WSGI_PORT": "9"}) == {"PORT": "9", "NUMBER": "3"}
    assert server.environment({"PASSED_ON": "x"})["PASSED_ON"] == "x"


def test_merged_mappings_are_part_of_a_service(tmp_path: Path) -> None:
    text = "x-all: &all {stop_signal: SIGINT, command: a}\n" + GOOD.replace(
        "    environment:", "    <<: *all\n    environment:"
    )
    [server] = load(tmp_path, text)
    assert server.service["stop_signal"] == "SIGINT"
    assert server.command()[0] == "serve"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("$SET", "1"),
        ("${SET}", "1"),
        ("a${SET}b$SET", "a1b1"),
        ("$UNSET", ""),
        ("${UNSET}", ""),
        ("${SET:-default}", "1"),
        ("${SET-default}", "1"),
        ("${UNSET:-default}", "default"),
        ("${UNSET-default}", "default"),
        ("${EMPTY:-default}", "default"),
        ("${EMPTY-default}", ""),
        ("${UNSET:-}", ""),
        ("${UNSET:-a b:c-d}", "a b:c-d"),
        ("${UNSET:-${SET}}", "1"),
        ("${UNSET:-a${UNSET:-b}}", "ab"),
        ("${SET:+other}", "other"),
        ("${EMPTY:+other}", ""),
        ("${EMPTY+other}", "other"),
        ("${UNSET+other}", ""),
        ("$$SET", "$SET"),
        ("$${SET}", "${SET}"),
        ("{name}", "{name}"),
    ],
)
def test_interpolation(text: str, expected: str) -> None:
    assert interpolate(text, {"SET": "1", "EMPTY": ""}) == expected


@pytest.mark.parametrize("text", ["$", "${", "${}", "$1", "${1A}", "${A", "${A:?message}", "$-"])
def test_what_cannot_be_interpolated(text: str) -> None:
    with pytest.raises(ValueError, match=r"^.") as caught:
        interpolate(f"before {text}", {})
    assert str(caught.value) == (
        f"expected $NAME, ${{NAME}} or ${{NAME:-default}}, and $$ for a dollar sign; found {text!r}"
    )


KEYS = (
    "backends, capabilities, documentation, expectations, late-signals, programs, project, "
    "requirements"
)

MALFORMED = {
    "not YAML": (
        "services:\n  a: [\n",
        ":3: is not YAML: expected the node content, but found '<stream end>'",
    ),
    "a tab": (
        "services:\n\ta: 1\n",
        ":2: is not YAML: found character '\\t' that cannot start any token",
    ),
    "a control character": (
        "services:\n  a: \x07\n",
        ":2: is not YAML: special characters are not allowed",
    ),
    "an unknown anchor": (
        "services: *nothing\n",
        ":1: is not YAML: found undefined alias 'nothing'",
    ),
    "a key twice": (
        GOOD.replace("    environment:", "    command: again\n    environment:"),
        ":4: is not YAML: the key 'command' is there twice",
    ),
    "a list as a key": ("services:\n  [a]: 1\n", ":2: is not YAML: expected text as a key"),
    "empty": ("", ":1: expected a Compose file with a mapping `services`"),
    "a list": ("- services\n", ":1: expected a Compose file with a mapping `services`"),
    "no services": ("name: x\n", ":1: expected a Compose file with a mapping `services`"),
    "services as a list": (
        "name: x\nservices: [a]\n",
        ":2: expected a Compose file with a mapping `services`",
    ),
    "no server": (
        "services:\n  database: {image: x}\n",
        ":2: no service has `x-wsgi-conform`, so none is a server",
    ),
    "not a mapping": (
        "services:\n  7: {command: a, x-wsgi-conform: yes}\n",
        ":2: expected a mapping for `x-wsgi-conform` of 7",
    ),
    "unknown key, close": (
        GOOD.replace("requirements: ", "requirement: "),
        ":10: server: unknown key `requirement`; did you mean `requirements`?",
    ),
    "unknown key": (
        GOOD.replace("requirements: ", "zzz: "),
        f":10: server: unknown key `zzz`; expected {KEYS}.",
    ),
    "no project": (
        GOOD.replace("      project: Some-Server\n", ""),
        ":8: server: expected text for `project`, found None",
    ),
    "project as a number": (
        GOOD.replace("Some-Server", "3"),
        ":9: server: expected text for `project`, found 3",
    ),
    "late-signals as a word": (
        GOOD.replace("      documentation:", "      late-signals: soon\n      documentation:"),
        ":11: server: expected true or false, found 'soon'",
    ),
    "no documentation": (
        GOOD.replace("      documentation: https://example.org\n", ""),
        ":8: server: expected text for `documentation`, found None",
    ),
    "no command": (
        GOOD.replace("    command: serve --port ${WSGI_PORT:-8000} 'two words'\n", ""),
        ":7: server: expected a `command`, found None",
    ),
    "an empty command": (
        GOOD.replace("serve --port ${WSGI_PORT:-8000} 'two words'", "' '"),
        ":3: server: expected a `command`, found ' '",
    ),
    "an empty list as a command": (
        GOOD.replace("serve --port ${WSGI_PORT:-8000} 'two words'", "[]"),
        ":3: server: expected a `command`, found []",
    ),
    "an open quotation": (
        GOOD.replace("'two words'", "'two words"),
        ":3: server: the `command` cannot be read: No closing quotation",
    ),
    "a dollar sign": (
        GOOD.replace("'two words'", "5$"),
        ":3: server: the `command` cannot be read: expected $NAME, ${NAME} or ${NAME:-default}, "
        "and $$ for a dollar sign; found '$'",
    ),
    "a dollar sign in the environment": (
        GOOD.replace("NUMBER: 3", "NUMBER: 3$"),
        ":4: server: `NUMBER`: expected $NAME, ${NAME} or ${NAME:-default}, and $$ for a dollar "
        "sign; found '$'",
    ),
    "environment as a list": (
        "services:\n  server:\n    command: a\n    environment: [A=1]\n    x-wsgi-conform: {project"
        ": a, documentation: b}\n",
        ":4: server: expected `environment` as a mapping, not a list",
    ),
    "backends": (
        GOOD.replace("capabilities: {threads: 2}", "backends: [podman]"),
        ":12: server: expected a list of docker and process, found ['podman']",
    ),
    "no backend": (
        GOOD.replace("capabilities: {threads: 2}", "backends: []"),
        ":12: server: expected a list of docker and process, found []",
    ),
    "capabilities as a list": (
        GOOD.replace("{threads: 2}", "[threads]"),
        ":12: server: expected a mapping for `capabilities`, found ['threads']",
    ),
    "a capability": (
        GOOD.replace("{threads: 2}", "{thread: 2}"),
        ":12: server: unknown capability `thread`; did you mean `threads`?",
    ),
}


@pytest.mark.parametrize(("text", "message"), MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(RegistryError) as caught:
        load(tmp_path, text)
    assert str(caught.value) == f"{tmp_path}/compose.yaml{message}"


def test_a_requirements_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RegistryError) as caught:
        load(tmp_path, GOOD.replace("requirements.txt", "none.txt"))
    assert str(caught.value) == (
        f"{tmp_path}/compose.yaml:10: server: requirements file {tmp_path}/none.txt does not exist"
    )


def test_a_compose_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RegistryError) as caught:
        registry.load(tmp_path / "none.yaml")
    assert str(caught.value) == f"{tmp_path}/none.yaml: cannot be read: No such file or directory"


def test_a_compose_file_that_is_not_utf_8(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_bytes(b"# \xff")
    with pytest.raises(RegistryError) as caught:
        registry.load(tmp_path / "compose.yaml")
    assert str(caught.value) == f"{tmp_path}/compose.yaml: is not YAML: not UTF-8 at byte 2"


def test_servers_are_selected_in_the_order_asked_for_and_once() -> None:
    servers = registry.load()
    chosen = registry.select(servers, ["waitress", "reference-single", "waitress"])
    assert [server.name for server in chosen] == ["waitress", "reference-single"]
    assert registry.select(servers, []) == servers


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("waitres", "did you mean 'waitress'?"),
        ("Waitress", "did you mean 'waitress'?"),
        ("gunicorn", "did you mean 'gunicorn-sync'?"),
        ("zzz", "there are: gunicorn-sync, waitress."),
    ],
)
def test_an_unknown_name_is_told_the_closest(name: str, hint: str) -> None:
    assert str(UnknownServer(name, ["gunicorn-sync", "waitress"])) == (
        f"no server is called {name!r}; {hint}"
    )


# --- The one that comes with the project ---


@pytest.fixture(scope="module")
def shipped() -> dict[str, Any]:
    """The shipped Compose file as any other reader of YAML has it."""
    found: dict[str, Any] = yaml.safe_load(registry.default_path().read_text(encoding="utf-8"))
    return found


def test_every_shipped_server_is_confined(shipped: dict[str, Any]) -> None:
    for server in registry.load():
        service = shipped["services"][server.name]
        assert service["read_only"] is True, server.name
        assert service["user"] == "10001:10001", server.name
        assert service["cap_drop"] == ["ALL"], server.name
        assert service["security_opt"] == ["no-new-privileges:true"], server.name
        assert service["init"] is True, server.name
        assert service["mem_limit"], server.name
        assert service["pids_limit"] > 0, server.name
        assert service["healthcheck"]["test"][0] == "CMD", server.name
        assert {"privileged", "cap_add", "network_mode", "pid", "devices"}.isdisjoint(service)


def test_every_shipped_port_is_on_loopback_and_its_own(shipped: dict[str, Any]) -> None:
    published = []
    for name, service in shipped["services"].items():
        for port in service.get("ports", []):
            host, outside, inside = registry.interpolate(port, {}).split(":")
            assert host == "127.0.0.1", name
            assert inside == ("8080" if name == "page" else "8000"), name
            published.append(outside)
    assert len(published) == len(set(published)) == len(registry.load()) + 1


def test_every_shipped_server_is_pinned_and_has_where_to_listen_from_variables() -> None:
    for server in registry.load():
        # The version of the standard library is Python's, that of nginx the distribution's.
        assert server.version or server.project in ("wsgiref", "nginx"), server.name
        assert server.requirements is not None, server.name
        if "process" in server.backends:
            command = " ".join(server.command({"WSGI_HOST": "HOST", "WSGI_PORT": "PORT"}))
            assert "HOST" in command, server.name
            assert "PORT" in command, server.name
        assert server.documentation.startswith("https://"), server.name


def test_what_is_not_available_is_told_with_what_was_tried_and_found(tmp_path: Path) -> None:
    for entry in registry.load_not_available():
        assert all(entry[key] for key in ("name", "tried", "found"))
    path = tmp_path / "compose.yaml"
    path.write_text(f"{GOOD}\nx-not-available:\n  - name: nothing\n    tried: it\n")
    with pytest.raises(registry.RegistryError, match="expected `name`, `tried` and `found`"):
        registry.load_not_available(path)
    path.write_text(GOOD)
    assert registry.load_not_available(path) == []


def test_the_shipped_fleet_is_of_many_projects_and_its_common_part_is_small() -> None:
    """Without a profile: what `docker compose up` starts."""
    servers = registry.load()
    assert len(servers) >= 36
    assert len({server.project for server in servers}) >= 22
    common = [server.name for server in servers if not server.service.get("profiles")]
    assert len(common) == 8


def test_the_shipped_suite_waits_for_every_server(shipped: dict[str, Any]) -> None:
    waits_for = shipped["services"]["conformance"]["depends_on"]
    assert set(waits_for) == {server.name for server in registry.load()}


def test_dependencies_images_and_volumes_of_the_shipped_file_are_there(
    shipped: dict[str, Any],
) -> None:
    services = shipped["services"]
    for name, service in services.items():
        assert set(service.get("depends_on", {})) <= set(services), name
        assert service.get("image") or service.get("build"), name
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert source in shipped["volumes"] or source.startswith((".", "/")), name


def test_located_mappings_are_ordinary_json(tmp_path: Path) -> None:
    [server] = load(tmp_path, GOOD)
    assert json.loads(json.dumps(server.service))["environment"]["NUMBER"] == 3
