"""What the service depends on, in forms that can be broken on purpose, and looks at how the service takes it."""

import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.bento_service.serving import PROJECT, Service

POSTGRESQL = """if True:
    import sys
    from pathlib import Path
    from tests.databases import running_server
    with running_server(Path(sys.argv[1])) as server:
        print(server.get_uri(), flush=True)
        sys.stdin.read()
"""

SETTABLE_CLOCK = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long ahead(void) {
  char text[32] = {0};
  int file = open(getenv("CLOCK_FILE"), O_RDONLY | O_CLOEXEC);
  if (file >= 0) { if (read(file, text, 31) < 0) text[0] = 0; close(file); }
  return atol(text);
}

int clock_gettime(clockid_t which, struct timespec *now) {
  int failed = syscall(SYS_clock_gettime, which, now);
  if (!failed && (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE)) now->tv_sec += ahead();
  return failed;
}

time_t time(time_t *told) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (told) *told = now.tv_sec;
  return now.tv_sec;
}

int gettimeofday(struct timeval *told, void *zone) {
  struct timespec now;
  (void)zone;
  clock_gettime(CLOCK_REALTIME, &now);
  told->tv_sec = now.tv_sec;
  told->tv_usec = now.tv_nsec / 1000;
  return 0;
}
"""
"""In place of the C library's wall clock; the monotonic one stays."""


@contextmanager
def locked(store_folder: Path) -> Iterator[None]:
    """Keep everybody else from writing to an SQLite store, as a backup or another writer does."""
    with closing(sqlite3.connect(store_folder / "predictions.db", isolation_level=None, timeout=20)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


@contextmanager
def mounted(folder: Path, size: str) -> Iterator[Path]:
    """Give a file system of its own that is soon full, below a folder that is made."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder]
    tried = subprocess.run(command, capture_output=True, text=True)
    if tried.returncode:
        pytest.skip(f"file systems cannot be mounted here: {tried.stderr}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@contextmanager
def filled(disk: Path) -> Iterator[None]:
    """Leave no page of a disk free."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    yield
    ballast.unlink()


@contextmanager
def postgresql(folder: Path) -> Iterator[str]:
    """Run a server on the data in a folder, and give its URL; entering again goes on with the same data.

    In a process of its own: to change its user it forks, which the threads of gRPC in this one do not bear.
    """
    with subprocess.Popen(
        [sys.executable, "-c", POSTGRESQL, str(folder)], cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        yield process.stdout.readline().decode().strip()


@contextmanager
def flooded_with_headers(service: Service, connections: int) -> Iterator[None]:
    """Send headers without end on several connections, each made anew when the service closes it."""
    stopping = threading.Event()

    def flood() -> None:
        while not stopping.is_set():
            with (
                suppress(OSError),
                socket.create_connection(("127.0.0.1", service.port), timeout=5) as connection,
            ):
                connection.sendall(b"GET /readyz HTTP/1.1\r\nhost: x\r\nx: ")
                while not stopping.is_set():
                    connection.sendall(b"a" * 65_536)
            stopping.wait(0.05)

    threads = [threading.Thread(target=flood) for _ in range(connections)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stopping.set()
        for thread in threads:
            thread.join()


def workers(service: Service) -> list[psutil.Process]:
    return list(psutil.Process(service.process.pid).children())


def shipping_processes(service: Service) -> list[psutil.Process]:
    """Return the processes that ship records to the store, which workers start."""
    return [child for worker in workers(service) for child in worker.children()]


def journal_bytes(worker: psutil.Process) -> int:
    """Return the size of the segments that a worker has open."""
    return sum(Path(file.path).stat().st_size for file in worker.open_files() if file.path.endswith(".journal"))


def kill(service: Service) -> None:
    """Kill a service with its workers, which outlive it otherwise."""
    for process in [*workers(service), psutil.Process(service.process.pid)]:
        process.kill()


def health(service: Service) -> Any:
    with service.client() as client:
        return client.get("/health/deep").json()


def store_error(service: Service) -> str:
    """Return why the service cannot write to its store; nothing if it can."""
    return str(health(service)["prediction_store"]["last_error"] or "")


def settable(clock: Path) -> dict[str, str]:
    """Return the environment in which processes take the wall clock to be off by the seconds that a file says."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler, by which a clock is made that can be set")
    library = clock.with_name("clock.so")
    made = [compiler, "-shared", "-fPIC", "-O2", "-o", str(library), "-x", "c", "-"]
    subprocess.run(made, input=SETTABLE_CLOCK, text=True, check=True)
    return {"LD_PRELOAD": str(library), "CLOCK_FILE": str(clock)}
