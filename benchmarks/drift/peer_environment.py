"""Evidently in an environment of its own."""

from collections.abc import Mapping

from benchmarks.peer_environment import peer_interpreter

EVIDENTLY = "0.7.21"
SHARED = ("numpy", "pandas", "scikit-learn", "scipy")
"""Installed in the same versions as here, so that both sides stand on the same libraries and read the same files."""


def peer_python(environment: Mapping[str, str]) -> str:
    """Return the interpreter that has Evidently."""
    return peer_interpreter("evidently", EVIDENTLY, SHARED, environment)
