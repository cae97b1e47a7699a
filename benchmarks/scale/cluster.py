"""A compute cluster of real processes, each started as a team starts it: by its command."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from resources.ports import free_port

STARTING_SECONDS = 120


@dataclass
class Cluster:
    """A scheduler and its workers, each a process of its own."""

    folder: Path
    address: str = ""
    processes: "list[subprocess.Popen[bytes]]" = field(default_factory=list)

    @property
    def certificates(self) -> Path:
        """The platform's."""
        return self.folder / "client"

    def start(self, role: str, *arguments: str) -> "subprocess.Popen[bytes]":
        """Start a command, which logs to a file."""
        environment = os.environ | {
            "HOUSING_COMPUTE_CERTIFICATES": str(self.folder / role),
            "HOUSING_COMPUTE": self.address if role == "worker" else "local",
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        }
        command = [sys.executable, "-m", "housing_assets.command_line", "compute", role, *arguments]
        with (self.folder / f"{role}-{len(self.processes)}.log").open("wb") as log:
            process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        self.processes.append(process)
        return process

    def kill_worker(self, number: int) -> None:
        """Kill a worker and its nanny, which would start it again, as the loss of their machine does."""
        nanny = psutil.Process(self.processes[1 + number].pid)
        for process in (nanny, *nanny.children(recursive=True)):
            process.kill()
        nanny.wait()


@contextmanager
def running_cluster(folder: Path, workers: int) -> Iterator[Cluster]:
    """Run a cluster on this machine, with certificates made by the command."""
    subprocess.run(
        [sys.executable, "-m", "housing_assets.command_line", "compute", "certificates", str(folder)],
        check=True,
        capture_output=True,
    )
    cluster, port = Cluster(folder), free_port()
    try:
        cluster.start("scheduler", "--host", "127.0.0.1", "--port", str(port))
        cluster.address = f"tls://127.0.0.1:{port}"
        for _ in range(workers):
            cluster.start("worker", "--memory", "2GiB")
        _wait_for(cluster, workers)
        yield cluster
    finally:
        for process in reversed(cluster.processes):
            process.terminate()
        for process in cluster.processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_for(cluster: Cluster, workers: int) -> None:
    deadline = time.monotonic() + STARTING_SECONDS
    while sum(b"at most 2.0 GiB" in path.read_bytes() for path in cluster.folder.glob("worker-*.log")) < workers:
        ended = [process for process in cluster.processes if process.poll() is not None]
        if ended or time.monotonic() > deadline:
            logs = "\n".join(path.read_text() for path in sorted(cluster.folder.glob("*.log")))
            raise AssertionError(f"the cluster has not started:\n{logs}")
        time.sleep(0.2)
