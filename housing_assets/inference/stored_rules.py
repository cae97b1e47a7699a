"""Rules as data: written with a declaration, and read back."""

from dataclasses import asdict, fields
from typing import Any

from housing_assets.inference.rule_base import Rule, RuleRefused
from housing_assets.inference.rules import (
    Breadcrumb,
    Choice,
    Code,
    Coordinate,
    Day,
    Floor,
    Number,
    Rooms,
    Text,
    Years,
)

RULES: dict[str, type[Rule]] = {
    rule.kind: rule for rule in (Text, Choice, Code, Number, Years, Rooms, Floor, Day, Coordinate, Breadcrumb)
}
"""The rules by the kind under which they are stored."""


def rule_to_dict(rule: Rule) -> dict[str, Any]:
    """Return a rule as JSON types."""
    return {"kind": rule.kind, **{name: list(v) if isinstance(v, tuple) else v for name, v in asdict(rule).items()}}


def rule_from_dict(stored: Any) -> Rule:
    """Read back what ``rule_to_dict`` returned.

    Raises
    ------
    RuleRefused
        If there is no such rule, or it has other fields.
    """
    if not isinstance(stored, dict) or stored.get("kind") not in RULES:
        found = stored.get("kind") if isinstance(stored, dict) else stored
        raise RuleRefused(f"no rule is called {found!r}; there are {', '.join(RULES)}")
    rule = RULES[stored["kind"]]
    given = {name: value for name, value in stored.items() if name != "kind"}
    known = {field.name: field.default for field in fields(rule)}
    unknown = given.keys() - known.keys()
    if unknown:
        raise RuleRefused(
            f"the rule {rule.kind} has no field {', '.join(sorted(unknown))}; it has {', '.join(known) or 'none'}"
        )
    for name, value in given.items():
        expected = type(known[name])
        if not isinstance(value, list if expected is tuple else expected):
            raise RuleRefused(f"{name} of the rule {rule.kind} is {value!r}, expected {expected.__name__}")
    return rule(**{name: tuple(value) if isinstance(value, list) else value for name, value in given.items()})
