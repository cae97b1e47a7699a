"""Releases as containers of Docker: a release is an image, named by its digest."""

import subprocess
from collections.abc import Mapping, Sequence

from deploy.release.sides import ADDRESSES, Address, Refused, Side

STOP_SECONDS = 10
LOG_LINES = 40

HARDENED = (
    *("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--tmpfs"),
    "/tmp",  # noqa: S108  # nosec B108
)


class Containers:
    """Runs releases as containers, each with a volume that outlives them.

    Each side has a volume of its own. What a release has not brought to the store when it ends waits there for the next
    release on that side.

    Parameters
    ----------
    options : sequence of str
        Of ``docker run``, such as ``--env-file``.
    name : str
        Of containers and volumes, before the side's.
    docker : str
        The client.
    addresses : mapping of Side to Address
    """

    def __init__(
        self,
        options: Sequence[str] = (),
        *,
        name: str = "housing",
        docker: str = "docker",
        addresses: Mapping[Side, Address] = ADDRESSES,
    ) -> None:
        self._options = options
        self._name = name
        self._docker = docker
        self._addresses = addresses

    def start(self, side: Side, release: str) -> None:
        """Start an image in place of what was there."""
        self._run("rm", "--force", self._container(side))
        ports = self._addresses[side]
        published = [f"--publish=127.0.0.1:{port}:{port}" for port in ports]
        listening = [f"--env=HOUSING_PORT={ports.port}", f"--env=HOUSING_GRPC_PORT={ports.grpc_port}"]
        named = ["--name", self._container(side), "--volume", f"{self._container(side)}:/data"]
        self._run("run", "--detach", *named, *HARDENED, *published, *listening, *self._options, release)

    def is_running(self, side: Side) -> bool:
        """Return whether the container runs."""
        found = self._ask("container", "inspect", "--format", "{{.State.Running}}", self._container(side))
        return found.returncode == 0 and found.stdout.strip() == "true"

    def keep(self, side: Side) -> None:
        """Let the engine start the container again whenever it ends."""
        self._run("update", "--restart", "unless-stopped", self._container(side))

    def stop(self, side: Side) -> None:
        """Stop the container, and leave it there for its log."""
        if self.is_running(side):
            self._run("stop", "--time", str(STOP_SECONDS), self._container(side))

    def log(self, side: Side) -> str:
        """Return the last lines of the container."""
        found = self._ask("logs", "--tail", str(LOG_LINES), self._container(side))
        return found.stdout + found.stderr

    def _container(self, side: Side) -> str:
        return f"{self._name}-{side}"

    def _run(self, *arguments: str) -> None:
        ended = self._ask(*arguments)
        if ended.returncode:
            raise Refused(f"docker {' '.join(arguments[:2])} failed: {ended.stderr.strip()}")

    def _ask(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run([self._docker, *arguments], capture_output=True, text=True, check=False)
