"""Evidently in an environment of its own: it is measured, and never a dependency."""

import os
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from benchmarks.measure import ROOT, run_process

EVIDENTLY = "0.7.21"
SHARED = ("numpy", "pandas", "scikit-learn", "scipy")
"""Installed in the same versions as here, so that both sides stand on the same libraries and read the same files."""


def peer_python(environment: Mapping[str, str]) -> str:
    """Return the interpreter that has Evidently; where there is none yet, it is made, which takes a minute.

    It is kept below ``HOUSING_STORAGE``, or ``.housing``.
    """
    storage = Path(os.environ.get("HOUSING_STORAGE") or ROOT / ".housing").absolute()
    folder = storage / "benchmarks" / f"evidently-{EVIDENTLY}"
    requirements = [f"evidently=={EVIDENTLY}", *(f"{library}=={version(library)}" for library in SHARED)]
    python, installed = folder / "bin" / "python", folder / "installed.txt"
    wanted = "\n".join([sys.version, *requirements])
    if not installed.exists() or installed.read_text() != wanted:
        run_process([sys.executable, "-m", "venv", "--clear", str(folder)], environment)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements]
        subprocess.run(pip, check=True, stdout=subprocess.DEVNULL, env=dict(environment))
        installed.write_text(wanted)
    return str(python)
