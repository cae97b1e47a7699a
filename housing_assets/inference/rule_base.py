"""What every rule is, and how the words of a market become patterns."""

import re
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar


class RuleRefused(ValueError):
    """A stored or declared rule that this release does not know; the message names the rule or its field."""


@dataclass(frozen=True)
class Rule:
    """Base of the rules.

    Attributes
    ----------
    kind : str
        By which a rule is stored.
    n_values : int
        How many values it returns.
    """

    kind: ClassVar[str]
    n_values: ClassVar[int] = 1

    def __call__(self, cell: Any) -> Any:
        """Return the value of a cell, or a tuple of its values."""
        raise NotImplementedError


@cache
def compiled(pattern: str) -> "re.Pattern[str]":
    """Return a pattern that is compiled once, whatever the case of letters."""
    return re.compile(pattern, re.IGNORECASE)


def any_of(*words: str) -> str:
    """Return a pattern of any of some words."""
    return f"(?:{'|'.join(map(re.escape, words))})"
