"""Other releases of a server than the pinned one."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from conformance import index, registry, releases
from conformance.backends import BackendError, environments
from conformance.backends.process import ProcessBackend
from conformance.registry import Server, UnknownServer

COMPOSE = """
services:
  some-server:
    image: some/server:${TAG:-latest}
    command: some-server
    x-wsgi-conform:
      project: Some_Server
      requirements: some.txt
      documentation: https://example.org
  by-itself:
    command: by-itself
    x-wsgi-conform:
      project: by-itself
      documentation: https://example.org
"""
PINNED = """\
other==2.0 \\
    --hash=sha256:00
some-server==1.5 ; python_version >= '3' \\
    --hash=sha256:11
"""


@pytest.fixture
def servers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Server]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "compose.yaml").write_text(COMPOSE)
    (tmp_path / "some.txt").write_text(PINNED)
    monkeypatch.setattr(index, "releases", lambda project: ())
    return registry.load(tmp_path / "compose.yaml")


def resolve(server: Server) -> Path | None:
    return releases.resolve(server, "3.11", environments.Installers())


def pinned_by(monkeypatch: pytest.MonkeyPatch, status: int, found: str) -> list[str]:
    """An installer that writes this in place of uv; what it was asked to pin."""
    asked: list[str] = []

    def installer(
        installers: environments.Installers, lock: int, *arguments: str
    ) -> subprocess.CompletedProcess[str]:
        if status:
            raise BackendError(found)
        source, output = Path(arguments[-3]), Path(arguments[-1])
        asked.extend([source.read_text(), output.read_text()])
        output.write_text(found)
        return subprocess.CompletedProcess(arguments, 0)

    monkeypatch.setattr(environments, "_uv", installer)
    return asked


def test_a_release_is_the_same_deployment_with_one_requirement_changed(
    servers: list[Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = pinned_by(monkeypatch, 0, "some-server==1.2\n")
    base, old = releases.select(servers, ["some-server", "some-server@1.2", "some-server@1.2"])
    assert (base.name, base.version, base.deployment) == ("some-server", "1.5", "some-server")
    assert (old.name, old.version, old.deployment) == ("some-server@1.2", "1.2", "some-server")
    assert (old.command(), old.capabilities) == (base.command(), base.capabilities)
    assert old.service["image"] == "some/server:${TAG:-latest}-1.2"
    pins = resolve(old)
    # Asked for is the release, and preferred what is pinned.
    assert asked == ['other\nsome-server==1.2; python_version >= "3"\n', PINNED]
    assert pins is not None
    assert pins.read_text() == "some-server==1.2\n"
    assert pins.name == "some.txt"
    assert resolve(old) == pins
    assert len(asked) == 2, "it was pinned a second time"


def test_what_the_pins_were_made_from_is_kept(
    servers: list[Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "some.in").write_text("# Why.\nsome-server[fast]<2\n\nother  # Because.\n")
    asked = pinned_by(monkeypatch, 0, "")
    resolve(releases.at(servers[0], "1.2"))
    assert asked[0] == "some-server[fast]==1.2\nother\n"


def test_without_a_release_nothing_is_changed(servers: list[Server]) -> None:
    assert releases.select(servers, []) == servers
    assert resolve(servers[0]) == servers[0].requirements


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("some-server@new", "expected a release like some-server@1.5, found 'new'"),
        ("some-server@", "expected a release like some-server@1.5, found ''"),
        (
            "by-itself@1",
            "by-itself has no other release: it does not come from the distribution 'by-itself' "
            "by its requirements",
        ),
        ("sme-server@1.2", "no server is called 'sme-server'; did you mean 'some-server'?"),
    ],
)
def test_a_release_that_cannot_be_asked_for(servers: list[Server], name: str, message: str) -> None:
    with pytest.raises(UnknownServer) as caught:
        releases.select(servers, [name])
    assert str(caught.value) == message


def test_a_release_that_cannot_be_had_does_not_stop_the_others(
    servers: list[Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    pinned_by(monkeypatch, 1, "there is no version of some-server==9")
    old = releases.at(servers[0], "9")
    failed = ProcessBackend().prepare([old])
    assert failed == {"some-server@9": "there is no version of some-server==9"}


def test_two_releases_of_one_server_side_by_side() -> None:
    """Of a real server, from the index: what is installed is what was asked for."""
    names = ["waitress@3.0.1", "waitress@3.0.2"]
    backend = ProcessBackend()
    chosen = releases.select(registry.load(), names)
    assert backend.prepare(chosen) == {}
    for server in chosen:
        environment = backend.environment(server)
        found = subprocess.run(
            [environment / "bin" / "python", "-c", _VERSION], capture_output=True, check=True
        )
        assert found.stdout.decode().strip() == server.version


_VERSION = "from importlib.metadata import version; print(version('waitress'))"


def test_options_come_before_the_application_where_that_is_last() -> None:
    servers = registry.load()
    [waitress, cheroot] = releases.select(
        servers, ["waitress --ident='a $b'", "cheroot+python3.12 --keep-alive 1"]
    )
    assert waitress.name == "waitress --ident='a $b'"
    assert waitress.command()[-2:] == ["--ident=a $b", "reference_app.wsgi:application"]
    assert waitress.service["image"] == servers[servers.index(waitress.base)].service["image"]  # type: ignore[arg-type]
    assert cheroot.command()[-2:] == ["--keep-alive", "1"]
    assert (cheroot.python, cheroot.deployment) == ("3.12", "cheroot")
    assert cheroot.service["image"].endswith("-python3.12")


def test_a_release_of_something_beside_the_server() -> None:
    """Of a real server: the one that is asked for is pinned, and the server stays."""
    [own, beside] = releases.select(
        registry.load(), ["uvicorn-h11@uvicorn==0.35.0", "uvicorn-h11@h11==0.15.0"]
    )
    assert (own.name, own.version) == ("uvicorn-h11@0.35.0", "0.35.0")
    base = beside.base
    assert base is not None
    assert (beside.version, beside.release) == (base.version, "h11==0.15.0")
    pins = resolve(beside)
    assert pins is not None
    assert "\nh11==0.15.0 " in pins.read_text()
    assert f"\nuvicorn=={base.version} " in pins.read_text()


@pytest.mark.parametrize("text", ["@1", "waitress@1@2", "waitress+3.12", "waitress 'open"])
def test_a_variant_that_is_not_written_as_one(text: str) -> None:
    with pytest.raises(UnknownServer, match=r"expected NAME|No closing quotation"):
        releases.select(registry.load(), [text])


def test_what_an_old_release_needs_is_of_its_own_time() -> None:
    """Of a real server: newer setuptools have dropped what this one imports."""
    [old] = releases.select(registry.load(), ["gunicorn-sync@20.0.4"])
    pins = resolve(old)
    assert pins is not None
    assert "gunicorn==20.0.4" in pins.read_text()
    assert "setuptools==42.0.1" in pins.read_text()
