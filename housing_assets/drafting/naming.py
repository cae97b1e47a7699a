"""Names the values of a drafted declaration: from headers in any language to what may name a column."""

import re
from typing import NamedTuple

from housing_assets.drafting.guessing import Guess
from housing_assets.inference.cells import fold

_SUFFIXES = {"Rooms": ("", "_living"), "Floor": ("", "_number"), "Breadcrumb": ("_kind", "_place", "")}
"""Of the names of values, where a rule returns several."""


class Named(NamedTuple):
    """A guess with the names of its values."""

    guess: Guess
    names: tuple[str, ...]


def name_values(guess: Guess, taken: set[str]) -> Named:
    """Name the values of a column, each differently from those that are taken."""
    suffixes = _SUFFIXES.get(type(guess.rule).__name__, ("",))
    return Named(guess, tuple(free_name(f"{as_name(guess.raw)}{suffix}", taken) for suffix in suffixes))


def free_name(wanted: str, taken: set[str]) -> str:
    """Return a name that is not taken, and take it."""
    name, number = wanted, 2
    while name in taken:
        name, number = f"{wanted}_{number}", number + 1
    taken.add(name)
    return name


def as_name(text: str) -> str:
    """Return a text in lower-case letters, digits and ``_``: ``Wohnfläche (m²)`` is ``wohnflache_m2``."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", text.strip())
    plain = re.sub(r"[^a-z0-9]+", "_", fold(words)).strip("_") or "column"
    return f"c_{plain}" if plain[0].isdigit() else plain
