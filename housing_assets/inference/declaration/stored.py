"""The parts of a declaration as JSON types, and back; what else a market holds is so already."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from housing_assets.inference.declaration.columns import Column, Value
from housing_assets.inference.declaration.features import LinearNumber, LocalKernel
from housing_assets.inference.declaration.requirements import DeclarationError, require_fields
from housing_assets.inference.declaration.target import Classes, PriceBands
from housing_assets.inference.stored_rules import rule_from_dict, rule_to_dict

_TARGETS: dict[str, type[PriceBands] | type[Classes]] = {"price_bands": PriceBands, "classes": Classes}


def column_to_dict(column: Column) -> dict[str, Any]:
    """Return a column as JSON types."""
    return {
        "raw": column.raw,
        "example": column.example,
        "rule": rule_to_dict(column.rule),
        "required": column.required,
        "values": [asdict(value) for value in column.values],
    }


def column_from_dict(stored: Mapping[str, Any]) -> Column:
    """Read back what ``column_to_dict`` returned.

    Raises
    ------
    DeclarationError, KeyError, TypeError, ValueError, RuleRefused
        If it is none.
    """
    require_fields("a column", stored, ["raw", "example", "rule", "required", "values"])
    return Column(
        raw=stored["raw"],
        example=stored["example"],
        rule=rule_from_dict(stored["rule"]),
        values=tuple(Value(**value) for value in stored["values"]),
        required=bool(stored["required"]),
    )


def kernel_to_dict(kernel: LocalKernel) -> dict[str, Any]:
    """Return a kernel of local scores as JSON types."""
    return {"block": kernel.block, "numbers": [asdict(one) for one in kernel.numbers], "texts": list(kernel.texts)}


def kernel_from_dict(stored: Mapping[str, Any]) -> LocalKernel:
    """Read back what ``kernel_to_dict`` returned.

    Raises
    ------
    DeclarationError, KeyError, TypeError
        If it is none.
    """
    numbers = tuple(LinearNumber(**one) for one in stored["numbers"])
    return LocalKernel(**{**stored, "numbers": numbers, "texts": tuple(stored["texts"])})


def target_to_dict(target: PriceBands | Classes) -> dict[str, Any]:
    """Return a target as JSON types; what its declaration says nothing of is left out."""
    kind = next(kind for kind, target_of in _TARGETS.items() if isinstance(target, target_of))
    return {"kind": kind, **{name: value for name, value in asdict(target).items() if value != ""}}


def target_from_dict(stored: Mapping[str, Any]) -> PriceBands | Classes:
    """Read back what ``target_to_dict`` returned.

    Raises
    ------
    DeclarationError, AttributeError, KeyError, TypeError
        If it is none.
    """
    given: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in stored.items()}
    kind = given.pop("kind")
    if kind not in _TARGETS:
        raise DeclarationError(f"kind of the target is {kind!r}: expected one of {', '.join(_TARGETS)}")
    return _TARGETS[kind](**given)
