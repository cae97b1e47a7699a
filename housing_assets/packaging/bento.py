"""Bentos, from outside: building, serving and removing one, each in a process of its own.

What is in a bento stands in ``bentofile.yaml``; how its image is made, in ``deploy/service``.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from signal import SIGKILL
from tempfile import TemporaryDirectory
from urllib.request import urlopen

from resources.ports import free_port

MODEL = "housing_price_artifact"
"""Name of the artifact in BentoML's model store, and its alias in ``bentofile.yaml``: the service asks for the alias
and gets the version that its bento was built with."""

PROJECT = Path(__file__).parents[2]
"""Where ``bentofile.yaml`` and all that it names lie."""

INFERENCE = Path("housing_assets/inference")
"""Where the loops are that are compiled."""

START_SECONDS = 180
"""How long a bento may take until it is ready: it takes 2 s, on a busy machine 10, and a minute where its loops are
compiled there."""

STOP_SECONDS = 10
LOG_CHARACTERS = 4_000
"""How much of a failed command's output is told: its end, where the reason stands."""

_NUMBA_CACHE = "NUMBA_CACHE_DIR"
_PYTHON_MODULE = (sys.executable, "-m")


class BentoFailed(RuntimeError):
    """A bento that could not be built, started or removed; ``log`` is the end of what the command printed."""

    def __init__(self, what: str, log: str):
        self.what, self.log = what, log[-LOG_CHARACTERS:]
        super().__init__(f"{what}:\n{self.log}")


def build_bento(artifact: Path, version: str, labels: Mapping[str, str], home: Path) -> str:
    """Bake a model artifact into a bento.

    Parameters
    ----------
    artifact : Path
        Folder of the model artifact.
    version : str
        Of the bento and of the model in it; new to the store.
    labels : mapping of str to str
        Of both.
    home : Path
        BentoML's store.

    Returns
    -------
    tag : str
        Of the bento.

    Raises
    ------
    BentoFailed
        If BentoML does not build it.
    """
    bake = ["housing_assets.packaging.bake", str(artifact.absolute()), version, json.dumps(dict(labels))]
    return _run("the bento was not built", bake, home).strip()


def remove_bento(tag: str, home: Path) -> None:
    """Remove a bento and the model in it from the store.

    Raises
    ------
    BentoFailed
        If BentoML does not remove it.
    """
    version = tag.partition(":")[2]
    _run(f"{tag} was not removed", ["bentoml", "delete", "--yes", tag], home)
    _run(f"the model of {tag} was not removed", ["bentoml", "models", "delete", "--yes", f"{MODEL}:{version}"], home)


@contextmanager
def serving(tag: str, home: Path) -> Iterator[str]:
    """Serve a bento over HTTP on a free port of this machine, and yield its URL when it is ready.

    It has nothing but what is in it: no code of this checkout but what its loops were compiled to, no registry, no
    settings, and a folder of its own for what it records.

    Raises
    ------
    BentoFailed
        If it is not ready within ``START_SECONDS``.
    """
    with TemporaryDirectory(prefix="bento") as temporary:
        own = Path(temporary)
        for shared in ("bentos", "models"):  # a server empties other folders of the home that it starts in
            (own / shared).symlink_to(home.absolute() / shared)
        source = own / "bentos" / tag.replace(":", "/") / "src"
        share_compiled(PROJECT / INFERENCE, source / INFERENCE)
        port = free_port()
        command = [*_PYTHON_MODULE, "bentoml", "serve", tag, "--host", "127.0.0.1", "--port", str(port)]
        environment = _environment(own) | {
            "PYTHONPATH": str(source),
            "HOUSING_STORAGE": str(own / "storage"),
            "HOUSING_GRPC_PORT": "0",
            "HOUSING_DRAIN_SECONDS": "0",
        }
        log = own / "log"
        with log.open("wb") as output:
            server = subprocess.Popen(  # noqa: S603
                command, cwd=own, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )
        url = f"http://127.0.0.1:{port}"
        try:
            deadline = time.monotonic() + START_SECONDS
            while not _is_ready(url):
                if server.poll() is not None or time.monotonic() > deadline:
                    raise BentoFailed(f"{tag} does not start", log.read_text(errors="replace"))
                time.sleep(0.05)
            yield url
        finally:
            _stop(server)


def share_compiled(known: Path, copy: Path) -> None:
    """Lay what numba has compiled of sources beside a copy of them, which would compile for 10 s else.

    numba takes machine code only where it was made of the same source, by its SHA-256, for the same processor. It keeps
    it beside the source or, where ``NUMBA_CACHE_DIR`` is set, as in containers, below that.
    """
    elsewhere = os.environ.get(_NUMBA_CACHE)
    found = Path(elsewhere).glob(f"{known.name}_*/*.nb[ci]") if elsewhere else known.glob("__pycache__/*.nb[ci]")
    for compiled in found:
        (copy / "__pycache__").mkdir(exist_ok=True)
        shutil.copy2(compiled, copy / "__pycache__" / compiled.name)


def _run(failure: str, module: list[str], home: Path) -> str:
    ended = subprocess.run(  # noqa: S603
        [*_PYTHON_MODULE, *module], cwd=PROJECT, env=_environment(home), capture_output=True, text=True, check=False
    )
    if ended.returncode:
        raise BentoFailed(failure, ended.stdout + ended.stderr)
    return ended.stdout


def _environment(home: Path) -> dict[str, str]:
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("HOUSING_", "MLFLOW_", _NUMBA_CACHE))
    }
    return kept | {"BENTOML_HOME": str(home.absolute()), "BENTOML_DO_NOT_TRACK": "True"}


def _is_ready(url: str) -> bool:
    try:
        with urlopen(f"{url}/readyz", timeout=2) as answer:  # noqa: S310  # nosec B310
            return bool(answer.status == HTTPStatus.OK)
    except (OSError, HTTPException):  # of which a connection that is closed without an answer is one
        return False


def _stop(server: "subprocess.Popen[bytes]") -> None:
    server.terminate()
    try:
        server.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(server.pid, SIGKILL)
        server.wait()
