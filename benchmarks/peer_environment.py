"""A library in an environment of its own: it is measured, and never a dependency."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from benchmarks.measure import ROOT, run_process


def peer_interpreter(library: str, release: str, shared: Sequence[str], environment: Mapping[str, str]) -> str:
    """Return the interpreter that has a library; where there is none yet, it is made, which takes a minute.

    It is kept below ``HOUSING_STORAGE``, or ``.housing``.

    Parameters
    ----------
    library, release : str
        As the package index names them.
    shared : sequence of str
        Libraries that are installed in the same versions as here, so that both sides stand on the same ones.
    environment : mapping of str to str
    """
    storage = Path(os.environ.get("HOUSING_STORAGE") or ROOT / ".housing").absolute()
    folder = storage / "benchmarks" / f"{library}-{release}"
    requirements = [f"{library}=={release}", *(f"{each}=={version(each)}" for each in shared)]
    python, installed = folder / "bin" / "python", folder / "installed.txt"
    wanted = "\n".join([sys.version, *requirements])
    if not installed.exists() or installed.read_text() != wanted:
        run_process([sys.executable, "-m", "venv", "--clear", str(folder)], environment)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements]
        subprocess.run(pip, check=True, stdout=subprocess.DEVNULL, env=dict(environment))
        installed.write_text(wanted)
    return str(python)
