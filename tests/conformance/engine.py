"""A container engine of a test's own, next to the one that is there."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest


class Engine:
    """A `dockerd` with everything of its own; its network is made by `own_engine`."""

    def __init__(self, directory: Path, bridge: str) -> None:
        self._directory = directory
        self._bridge = bridge
        self.host = f"unix://{directory}/docker.sock"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        directory = self._directory
        with (directory / "log").open("wb") as log:
            self.daemon = subprocess.Popen(
                [
                    *("dockerd", "--host", self.host, "--bridge", self._bridge),
                    *("--data-root", str(directory / "data"), "--iptables=false"),
                    *("--exec-root", str(directory / "exec"), "--pidfile", str(directory / "pid")),
                ],
                # Where the stacks of a part are written that was too slow for the daemon.
                env=os.environ | {"TMPDIR": str(directory)},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + 60
        while subprocess.run(["docker", "-H", self.host, "info"], capture_output=True).returncode:
            assert self.daemon.poll() is None, (directory / "log").read_text()
            assert time.monotonic() < deadline, (directory / "log").read_text()
            time.sleep(0.1)

    def load(self, image: str) -> None:
        """Give it an image that the other engine has."""
        with subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE) as saving:
            subprocess.run(["docker", "-H", self.host, "load"], stdin=saving.stdout, check=True)

    def freeze(self) -> None:
        """Have it take connections and questions, and answer none."""
        self.daemon.send_signal(signal.SIGSTOP)
        # One thread after the other stops, and its parent hears of it with the last one.
        os.waitid(os.P_PID, self.daemon.pid, os.WSTOPPED)

    def thaw(self) -> None:
        """Have it go on where it was."""
        self.daemon.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """Stop it in good order, with what it started; that of one that was killed as well."""
        if self.daemon.poll() is not None:
            self.start()
        self.daemon.terminate()
        self.daemon.wait()

    def kill(self) -> None:
        """End it by force: its containers go on, and nobody reaches them."""
        self.daemon.kill()
        self.daemon.wait()


@contextlib.contextmanager
def own_engine(directory: Path, image: str, bridge: str, network: str) -> Iterator[Engine]:
    """An engine that has the image, for as long as the block runs.

    :param bridge: the name of a network interface that is made for it.
    :param network: its address, with the size of its network.
    """
    if os.geteuid() != 0 or not (shutil.which("dockerd") and shutil.which("ip")):
        pytest.skip("a second engine needs root, dockerd and ip")
    _ip("link", "add", "name", bridge, "type", "bridge")
    try:
        _ip("address", "add", network, "dev", bridge)
        _ip("link", "set", bridge, "up")
        engine = Engine(directory, bridge)
        try:
            engine.start()
            engine.load(image)
            yield engine
        finally:
            engine.stop()
            _unmount(directory)
            # Hundreds of megabytes, and pytest would keep them.
            shutil.rmtree(directory / "data")
    finally:
        _ip("link", "delete", bridge)


def _unmount(directory: Path) -> None:
    """What an engine leaves mounted that was killed."""
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for path in reversed([path for path in mounts if Path(path).is_relative_to(directory)]):
        subprocess.run(["umount", path], check=True)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)
