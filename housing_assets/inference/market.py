"""A market: the one declaration of what its listings consist of, what is predicted, and which features are made.

It is passed to whatever reads listings; nothing else knows a column, a category or a currency. It travels with a model
as data, so that a service answers for a market whose code it has never seen.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Self

from housing_assets.inference.cells import Unusable
from housing_assets.inference.coherence import require_coherence
from housing_assets.inference.declaration import (
    FEATURE_NUMBERS,
    OF_TARGETS,
    PRICE_KINDS,
    SEPARATOR,
    TARGETS,
    TEXTS,
    Bin,
    Classes,
    Column,
    DeclarationError,
    Grid,
    LinearNumber,
    LocalKernel,
    PriceBands,
    PriceKind,
    Quotient,
    Role,
    Value,
)
from housing_assets.inference.declaration.requirements import require_fields
from housing_assets.inference.declaration.stored import (
    column_from_dict,
    column_to_dict,
    kernel_from_dict,
    kernel_to_dict,
    target_from_dict,
    target_to_dict,
)
from housing_assets.inference.rule_base import RuleRefused

FORMAT = 1

MONTHS_PER_YEAR = 12


@dataclass(frozen=True, eq=False)
class Market:
    """The declaration of a data set.

    Parameters
    ----------
    name : str
        Lower-case letters, digits and ``_``; names its storage and its registered model.
    title : str
        For people.
    columns : tuple of Column
        In the order of the source; what the source has beside them is left unread.
    target : PriceBands or Classes
        What is predicted; one column holds it.
    bins : tuple of Bin
        Numbers read as texts.
    grids : tuple of Grid
        Coordinates read as texts.
    crosses : tuple of tuple of str
        Texts whose combination is a feature of its own.
    linear : tuple of LinearNumber
        Numbers that the linear scores weigh beside the texts.
    quotients : tuple of Quotient
    local : LocalKernel or None
        What makes homes alike; None where there are no local scores.
    segments : tuple of str
        Texts by whose values an evaluation tells where the model errs.
    fallback : tuple of str
        Texts, the most telling first, for whose combinations the fallback rule knows the usual category.
    comparables : bool
        Whether answers may show training listings. Where their licence forbids it, a model keeps nothing of them.
    sample : str
        ``module:function`` that makes synthetic rows (see ``listings/samples.py``); empty where there is none. It
        stays behind when the market travels.
    published_index : Path or None
        CSV with a published price index of the region, for training (see docs/valuation.md). HOUSING_PRICE_INDEX
        goes before it. It stays behind, too.

    Raises
    ------
    DeclarationError
        If a part contradicts another; the message names the field, what was found and what was expected.
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    target: PriceBands | Classes
    bins: tuple[Bin, ...] = ()
    grids: tuple[Grid, ...] = ()
    crosses: tuple[tuple[str, ...], ...] = ()
    linear: tuple[LinearNumber, ...] = ()
    quotients: tuple[Quotient, ...] = ()
    local: LocalKernel | None = None
    segments: tuple[str, ...] = ()
    fallback: tuple[str, ...] = ()
    comparables: bool = True
    sample: str = ""
    published_index: Path | None = None

    def __post_init__(self) -> None:
        require_coherence(self)

    def values(self, *roles: Role) -> Iterator[Value]:
        """Yield the declared values of these roles (all of them without arguments), in order."""
        for column in self.columns:
            for value in column.values:
                if not roles or value.role in roles:
                    yield value

    @property
    def categories(self) -> tuple[str, ...]:
        """What may be predicted, in the order of all arrays of probabilities."""
        return self.target.categories

    @property
    def has_price(self) -> bool:
        """Whether the target is a price."""
        return isinstance(self.target, PriceBands)

    @property
    def currency(self) -> str:
        """Of the price; empty where the target is a class."""
        return self.target.currency if isinstance(self.target, PriceBands) else ""

    @property
    def price_kind(self) -> str:
        """``asking``, ``paid``, or the name of the value that says it of each row; empty where none is declared."""
        return self.target.price_kind if isinstance(self.target, PriceBands) else ""

    @property
    def common_price_kind(self) -> PriceKind | None:
        """The kind of every row's price; None where a column says it of each row, or the declaration does not."""
        return next((kind for kind in PRICE_KINDS if kind == self.price_kind), None)

    @cached_property
    def price_kind_column(self) -> Column | None:
        """The column that says of each row which kind its price is; None where all have one."""
        if self.price_kind in ("", *PRICE_KINDS):
            return None
        said = Role.CATEGORY, self.price_kind
        return next((one for one in self.columns if (one.values[0].role, one.values[0].name) == said), None)

    @cached_property
    def target_column(self) -> Column:
        """The column that holds what is predicted."""
        return next(column for column in self.columns if column.values[0].role in TARGETS)

    @property
    def target_value(self) -> Value:
        """What is predicted."""
        return self.target_column.values[0]

    @cached_property
    def exact_value(self) -> Value | None:
        """What says of a row whether its price is exact; None where all are."""
        return next(self.values(Role.EXACT), None)

    @cached_property
    def inputs(self) -> tuple[Column, ...]:
        """The columns that a prediction reads: all but the target's and what is known only together with it."""
        return tuple(column for column in self.columns if not column.is_target)

    @cached_property
    def required(self) -> tuple[str, ...]:
        """Raw names of the inputs without which no listing is answered."""
        return tuple(column.raw for column in self.inputs if column.required)

    @cached_property
    def known_names(self) -> frozenset[str]:
        """Raw names of all columns."""
        return frozenset(column.raw for column in self.columns)

    @cached_property
    def personal_names(self) -> frozenset[str]:
        """The names, raw and typed, of what can lead to a person, and those of the crosses made of it."""
        declared = [(column.raw, value) for column in self.columns for value in column.values if value.personal]
        personal = {name for raw, value in declared for name in (raw, value.name)}
        return frozenset(personal | {name for name, parts in self.named_crosses if not personal.isdisjoint(parts)})

    @cached_property
    def identity(self) -> tuple[str, ...]:
        """Names of the values that copies of one home share: its keys, or else its likeness."""
        return tuple(value.name for value in self.values(Role.KEY)) or self.likeness

    @cached_property
    def recognized_by(self) -> tuple[str, ...]:
        """Names of the values by which a home is recognized whatever else is said of it, as where a field is left out.

        These are its keys if every listing must have them, or else the values that every listing must have, if a number
        is among them: the same area and size, say. A market that demands neither has its ``identity``.
        """
        demanded = [value for column in self.columns if column.required for value in column.values]
        keys = tuple(value.name for value in demanded if value.role is Role.KEY)
        known = [value for value in demanded if value.role not in (*OF_TARGETS, Role.CLOCK)]
        sized = any(value.role in FEATURE_NUMBERS for value in known)
        return keys or (tuple(value.name for value in known) if sized else self.identity)

    @cached_property
    def likeness(self) -> tuple[str, ...]:
        """Names of the values by which two homes are alike: all but the target and the dates."""
        return tuple(value.name for value in self.values() if value.role not in (*OF_TARGETS, Role.CLOCK))

    @cached_property
    def named_crosses(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Each cross with its name."""
        return tuple((SEPARATOR.join(names), names) for names in self.crosses)

    @cached_property
    def encoded_numbers(self) -> tuple[tuple[str, float, float], ...]:
        """Name, lowest value and scale of each number that is a feature: declared ones, clocks, then quotients."""
        declared = []
        for value in self.values(*FEATURE_NUMBERS, Role.CLOCK):
            months = (0.0, float(MONTHS_PER_YEAR))
            declared.append((value.name, *(months if value.role is Role.CLOCK else (value.minimum, value.scale))))
        return (*declared, *((quotient.name, 0.0, quotient.scale) for quotient in self.quotients))

    @cached_property
    def declared_texts(self) -> tuple[str, ...]:
        """Names of the texts that ads hold and that are features."""
        return tuple(value.name for value in self.values(*TEXTS))

    @cached_property
    def encoded_texts(self) -> tuple[str, ...]:
        """Names of the texts that are hashed: declared ones, bins, grids, crosses."""
        made = (*(bin_.name for bin_ in self.bins), *(grid.name for grid in self.grids))
        return (*self.declared_texts, *made, *(name for name, _ in self.named_crosses))

    @property
    def example(self) -> dict[str, str]:
        """One listing as it may be sent, by raw column."""
        return {column.raw: column.example for column in self.inputs}

    def parse_listing(self, cells: Mapping[str, Any], *, with_target: bool) -> tuple[dict[str, Any], dict[str, str]]:
        """Read one listing.

        Parameters
        ----------
        cells : mapping
            Raw texts or clean numbers by raw column name; a column that is absent is empty.
        with_target : bool
            Whether to read the target, too (training) or to leave it (prediction).

        Returns
        -------
        listing : dict
            Values by name; None where the ad says nothing.
        reasons : dict
            For every raw column that could not be used, why. The row is usable when it is empty.
        """
        listing: dict[str, Any] = {}
        reasons: dict[str, str] = {}
        for column in self.columns if with_target else self.inputs:
            cell = cells.get(column.raw)
            try:
                if cell is None or (type(cell) is str and len(cell) <= _LONGEST_REMEMBERED):
                    listing.update(_parse_remembered(column, cell))
                else:
                    listing.update(column.parse_named(cell))
            except Unusable as fault:
                reasons[column.raw] = str(fault)
        return listing, reasons

    def to_dict(self) -> dict[str, Any]:
        """Return the declaration as JSON types, without what is read in training alone."""
        return {
            "format": FORMAT,
            "name": self.name,
            "title": self.title,
            "columns": [column_to_dict(column) for column in self.columns],
            "target": target_to_dict(self.target),
            "bins": [asdict(bin_) for bin_ in self.bins],
            "grids": [asdict(grid) for grid in self.grids],
            "crosses": [list(names) for names in self.crosses],
            "linear": [asdict(number) for number in self.linear],
            "quotients": [asdict(quotient) for quotient in self.quotients],
            **({} if self.local is None else {"local": kernel_to_dict(self.local)}),
            "segments": list(self.segments),
            "fallback": list(self.fallback),
            "comparables": self.comparables,
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """Read back what ``to_dict`` returned.

        Raises
        ------
        DeclarationError
            If it is no declaration, or one that this release does not know.
        """
        if not isinstance(stored, Mapping) or stored.get("format") != FORMAT:
            found = stored.get("format") if isinstance(stored, Mapping) else type(stored).__name__
            raise DeclarationError(f"the declaration's format is {found!r}, this version reads {FORMAT}")
        known = [field.name for field in fields(cls) if field.name not in ("sample", "published_index")]
        require_fields("the declaration", stored, ["format", *known])
        try:
            return cls(
                name=stored["name"],
                title=str(stored["title"]),
                columns=tuple(map(column_from_dict, stored["columns"])),
                target=target_from_dict(stored["target"]),
                bins=tuple(Bin(**one) for one in stored["bins"]),
                grids=tuple(Grid(**one) for one in stored["grids"]),
                crosses=tuple(tuple(names) for names in stored["crosses"]),
                linear=tuple(LinearNumber(**one) for one in stored["linear"]),
                quotients=tuple(Quotient(**one) for one in stored["quotients"]),
                local=kernel_from_dict(stored["local"]) if "local" in stored else None,
                segments=tuple(stored["segments"]),
                fallback=tuple(stored["fallback"]),
                comparables=bool(stored.get("comparables", True)),  # declarations of former releases do not say
            )
        except DeclarationError:
            raise
        except (AttributeError, KeyError, TypeError, ValueError, RuleRefused) as fault:
            raise DeclarationError(f"the declaration cannot be read: {fault}") from None

    def to_json(self) -> str:
        """Return the declaration as JSON; equal declarations give equal texts."""
        return json.dumps(self.to_dict(), ensure_ascii=False, indent=1)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read back what ``to_json`` returned.

        Raises
        ------
        DeclarationError
        """
        try:
            stored = json.loads(text)
        except ValueError as fault:
            raise DeclarationError(f"the declaration is no JSON: {fault}") from None
        return cls.from_dict(stored)

    @cached_property
    def fingerprint(self) -> str:
        """A SHA-256 of all that decides what a listing is read and encoded as: not of titles or examples, say."""
        told = self.to_dict()
        for column in told["columns"]:
            del column["example"]
            for value in column["values"]:
                del value["unit"]
        del told["title"], told["segments"], told["comparables"]
        told["target"].pop("price_kind", None)  # the contract of a lineage has it
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


_LONGEST_REMEMBERED = 200
"""Characters of a cell whose values are kept: longer ones are rare, and would let requests fill the memory."""


@lru_cache(maxsize=4_096)
def _parse_remembered(column: Column, cell: str | None) -> tuple[tuple[str, Any], ...]:
    """Return the values of a text; most cells of ads are one of few texts, and reading one takes microseconds."""
    return column.parse_named(cell)
