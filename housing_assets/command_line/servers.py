"""The servers that people keep running while they work; each command ends with all that it has started."""

import errno
import socket
import time
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Annotated

import psutil
import typer

from housing_assets.command_line.environment import environment_of, read_serving_settings, read_settings
from housing_assets.command_line.faults import CommandError
from housing_assets.command_line.processes import STOPPED, end, start, stopping, undisturbed, wait_for_any

if TYPE_CHECKING:
    import subprocess

START_SECONDS = 60
"""Within which an MLflow server answers, on a slow machine, too."""

KEEP_ALIVE_SECONDS = 75
"""How long the service keeps an idle connection: longer than balancers (60) and clients do, or they would send a
request on one that is about to be closed. ``deploy/service/start.sh`` says the same."""

MlflowPort = Annotated[
    int, typer.Option(min=1, max=65_535, envvar="MLFLOW_PORT", help="Port of the local MLflow server.")
]


def dev(
    port: Annotated[int, typer.Option(min=1, max=65_535, help="Port of the lineage page.")] = 3000,
    mlflow_port: MlflowPort = 5000,
) -> None:
    """Run the lineage page, the daemon and MLflow.

    No MLflow is started where MLFLOW_TRACKING_URI is a server, or one of the same database runs on its port already.
    """
    settings = read_settings()
    require_free("127.0.0.1", port, host_setting="localhost", port_setting="with --port")
    environment = environment_of(settings)
    if settings.landing and settings.source:
        print(
            f"what lands in {settings.landing} (HOUSING_LANDING) starts trainings that read HOUSING_SOURCE: "
            "leave that empty to train on what has landed",
            flush=True,
        )
    with _Servers() as servers:
        servers.start_mlflow(settings.mlflow_uri, mlflow_port, environment)
        servers.start(["dg", "dev", "--port", str(port)], environment)
        servers.wait()


def serve(mlflow_port: MlflowPort = 5000) -> None:
    """Serve the version in production.

    It answers over HTTP and gRPC, and follows the registry. No MLflow is started where MLFLOW_TRACKING_URI is a server,
    or one of the same database runs on its port already.
    """
    settings = read_serving_settings()
    ports = {"HOUSING_PORT": settings.port, "HOUSING_GRPC_PORT": settings.grpc_port}
    for name, port in ports.items():
        if port:
            require_free(str(settings.host), port, host_setting="HOUSING_HOST", port_setting=f"in {name}")
    environment = environment_of(settings) | {"BENTOML_HOME": str(settings.market_storage / "bentoml")}
    with _Servers() as servers:
        environment["MLFLOW_TRACKING_URI"] = servers.start_mlflow(settings.mlflow_uri, mlflow_port, environment)
        service = "bento_service.service:HousingPriceClassifier"
        options = {"--host": settings.host, "--port": settings.port, "--timeout-keep-alive": KEEP_ALIVE_SECONDS}
        servers.start(
            ["bentoml", "serve", service, *(str(each) for pair in options.items() for each in pair)], environment
        )
        servers.wait()


class _Servers(ExitStack):
    """Servers that end together: when one of them does, or somebody asks them to."""

    def __init__(self) -> None:
        super().__init__()
        self._running: dict[subprocess.Popen[bytes], str] = {}
        """What to call each."""
        self.enter_context(stopping())
        self.callback(self._end)

    def start(self, command: list[str], environment: dict[str, str]) -> "subprocess.Popen[bytes]":
        started = start(command, environment)
        self._running[started] = " ".join(command[:2])
        return started

    def start_mlflow(self, tracking_uri: str, port: int, environment: dict[str, str]) -> str:
        """Start an MLflow server where there is none, and return its address once it answers."""
        from resources.mlflow.server import server_command

        if tracking_uri.startswith(("http://", "https://")):
            return tracking_uri
        command = server_command(tracking_uri, port)
        if _answers(port) or not self._answers_as(self.start(command, environment), port):
            if not _runs(command):
                raise CommandError(
                    f"port {port} is taken, and not by an MLflow server of {tracking_uri}: choose another one with "
                    "--mlflow-port or in MLFLOW_PORT"
                )
            print(f"MLflow runs on port {port}: `make dev` and `make serve` share it", flush=True)
        return f"http://127.0.0.1:{port}"

    def wait(self) -> None:
        ended = wait_for_any(list(self._running))
        told = f"{self._running[ended]} has ended with exit code {ended.returncode}, and the other servers with it"
        typer.echo(f"housing: {told}", err=True)
        raise typer.Exit(ended.returncode)

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, fault, trace)
        if isinstance(fault, KeyboardInterrupt):
            raise typer.Exit(STOPPED) from None

    def _answers_as(self, server: "subprocess.Popen[bytes]", port: int) -> bool:
        """Wait until a server answers; return False where another one has taken its port before it could."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and server.poll() is None:
            if _listens(server, port):
                return True
            time.sleep(0.2)
        if server.poll() is None or not _answers(port):
            raise CommandError(f"MLflow does not answer on port {port}: what it says is above")
        end(server)
        del self._running[server]
        return False

    def _end(self) -> None:
        with undisturbed():
            for each in reversed(self._running):
                end(each)


def _answers(port: int) -> bool:
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", port)) == 0


def _listens(server: "subprocess.Popen[bytes]", port: int) -> bool:
    """Return whether a process, or one that it has started, accepts connections on a port."""
    try:
        parent = psutil.Process(server.pid)
        sockets = [each for one in (parent, *parent.children(recursive=True)) for each in one.net_connections("tcp")]
    except psutil.Error:  # one of them has ended in the meantime
        return False
    return any(each.status == psutil.CONN_LISTEN and each.laddr.port == port for each in sockets)


def require_free(host: str, port: int, *, host_setting: str, port_setting: str) -> None:
    """Refuse a port that somebody listens on, and an address that the machine does not have.

    Servers would fail late, or share the port without a word.
    """
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections that have ended hold no port
        try:
            probe.bind((host, port))
        except OSError as fault:
            if fault.errno == errno.EADDRNOTAVAIL:
                raise CommandError(f"{host_setting}: this machine does not have the address {host}") from None
            raise CommandError(
                f"port {port} on {host} is not available ({fault.strerror}): choose another one {port_setting}"
            ) from None


def _runs(command: list[str]) -> bool:
    """Return whether a process of this user was started with the arguments of a command."""
    wanted = command[1:]  # whichever Python runs it
    running = (process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"]))
    return any(
        wanted == found[at : at + len(wanted)] for found in running for at in range(len(found) - len(wanted) + 1)
    )
