"""Writes the first declaration of a market from guesses about its columns, as a Python file to be read and mended."""

from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import pandas as pd

from housing_assets.drafting.derived import draft_features
from housing_assets.drafting.guessing import Guess, guess_classes, guess_column, guess_price, guess_target
from housing_assets.drafting.layout import Brackets, Comment, Item, Quoted, lay_out, quote, tuple_of
from housing_assets.drafting.naming import Named, as_name, name_values
from housing_assets.drafting.vocabulary import currency_of
from housing_assets.inference.coherence import RESERVED, RESERVED_RAW
from housing_assets.inference.declaration import ASKING, PAID, PRICE_KINDS, DeclarationError, Role
from housing_assets.inference.declaration.requirements import require_name
from housing_assets.inference.rule_base import Rule
from housing_assets.inference.stored_rules import RULES
from housing_assets.market_loading import RESERVED_NAMES

REQUIRED_WITHIN = 0.01
"""Share of rows without a value up to which the place and the size are declared as required."""

_PARTS = {"Bin", "Classes", "Column", "Grid", "LinearNumber", "PriceBands", "Value"}

NO_CURRENCY = "XXX"
"""What ISO 4217 has for no currency."""


def draft_market(
    frame: pd.DataFrame,
    name: str,
    *,
    target: str | None = None,
    classes: bool = False,
    currency: str = "",
    price_kind: str = "",
) -> str:
    """Return the source of a declaration to begin with.

    Parameters
    ----------
    frame : DataFrame of shape (n_rows, n_columns)
        Raw rows: texts, numbers or dates.
    name : str
        Of the market, and of the file that declares it.
    target : str, optional
        Header of what is predicted; by default the first that sounds like a price and holds numbers.
    classes : bool
        Whether the target's texts are classes.
    currency : str
        ISO 4217; by default what stands beside the prices.
    price_kind : str
        ``asking`` or ``paid``; by default the former, with a remark.

    Raises
    ------
    DeclarationError
        If the name names no market, a header is there twice, or no target is found that can be read.
    """
    require_name("the market's name", name)
    if price_kind not in ("", *PRICE_KINDS):
        raise DeclarationError(f"price_kind is {price_kind!r}: expected {' or '.join(PRICE_KINDS)} (--price-kind)")
    headers = _headers(frame)
    chosen = target or guess_target(frame, headers)
    if chosen not in headers:
        found = f"{target!r}" if target else "no column, because none sounds like a price"
        raise DeclarationError(f"target is {found}: expected one of {', '.join(map(_shown, headers))} (--target)")
    if chosen in RESERVED_RAW:
        raise DeclarationError(f"target is {chosen!r}, which raw rows have already: rename it in the source")
    guesses = []
    for header in headers:
        if header == chosen:
            guesses.append((guess_classes if classes else guess_price)(header, frame[header]))
        elif header in RESERVED_RAW:
            guesses.append(Guess(header, None, remarks=("raw rows have one of that name; rename it in the source",)))
        else:
            guesses.append(guess_column(header, frame[header]))
    taken = set(RESERVED)
    columns = [name_values(guess, taken) for guess in guesses if guess.rule is not None]
    left_out = [guess for guess in guesses if guess.rule is None]
    if len(columns) == 1:
        raise DeclarationError(
            f"no column beside the target {chosen!r} can be read: "
            + ("; ".join(f"{_shown(guess.raw)}: {guess.remarks[0]}" for guess in left_out) or "there is none")
        )
    lines = [
        f'"""{name}: drafted from {len(frame):,} rows; read it, mend it, and try it with `housing market check`."""',
        "",
        *_imports(market := _market(name, columns, left_out, taken, currency, price_kind)),
        "",
        *lay_out(market),
    ]
    return "\n".join(lines) + "\n"


def as_market_name(path: Path) -> str:
    """Return the market's name that the name of a file suggests."""
    name = as_name(path.name.partition(".")[0])
    return f"my_{name}" if name in RESERVED_NAMES else name


def _headers(frame: pd.DataFrame) -> list[str]:
    headers = [header for header in map(str, frame.columns) if header.strip()]
    twice = sorted({header for header in headers if headers.count(header) > 1})
    if twice:
        raise DeclarationError(
            f"more than one column is named {', '.join(map(_shown, twice))}: rename them in the source"
        )
    return headers


def _shown(header: str) -> str:
    return header if header.isprintable() else repr(header)


def _market(
    name: str, columns: Sequence[Named], left_out: Sequence[Guess], taken: set[str], currency: str, price_kind: str
) -> Brackets:
    size = next((one for one in columns if one.guess.is_size), None)
    places = sorted((one for one in columns if one.guess.is_place), key=lambda one: -one.guess.distinct)
    required = [one for one in (size, *places[:1]) if one is not None and one.guess.missing <= REQUIRED_WITHIN]
    listed: list[Item] = []
    for column in columns:
        listed += _column(column, currency, required=column in required)
    for guess in left_out:
        listed.append(Comment(f"{quote(guess.raw)} is left out: {'; '.join(guess.remarks)}."))
    predicted = next(one.guess for one in columns if one.guess.roles[0] in (Role.PRICE, Role.CLASS))
    items: tuple[Item, ...] = (
        f"name={quote(name)}",
        f"title={quote(name.replace('_', ' ').strip().capitalize() or name)}",
        *_target(predicted, currency, price_kind),
        tuple_of("columns=", *listed),
        *draft_features(columns, size, places, taken),
    )
    return Brackets("MARKET = Market", items)


def _imports(market: Brackets) -> Iterator[str]:
    """Yield the imports of what is called."""
    called = set(_heads(market))
    yield from _import("housing_assets.inference.declaration", called & _PARTS | {"Role"})
    yield from _import("housing_assets.inference.market", {"Market"})
    yield from _import("housing_assets.inference.rules", called & {rule.__name__ for rule in RULES.values()})


def _import(module: str, names: set[str]) -> Iterator[str]:
    yield f"from {module} import {', '.join(sorted(names))}"


def _heads(item: Item) -> Iterator[str]:
    if isinstance(item, Brackets):
        yield item.head.rpartition("=")[2].strip()
        for each in item.items:
            yield from _heads(each)


def _target(guess: Guess, currency: str, price_kind: str) -> Iterator[Item]:
    if guess.roles[0] is Role.CLASS:
        names = tuple(map(quote, guess.rule.options))  # type: ignore[union-attr]
        yield Brackets("target=Classes", (tuple_of("categories=", *names),))
        return
    found = currency or currency_of(guess.unit)
    yield Comment("Bands between these quantiles of the training prices, the cheapest first.")
    if not found:
        yield Comment("The file does not say the currency: XXX is none; put an ISO 4217 code.")
    if not price_kind:
        yield Comment(f"Prices that ads ask; if these were paid in the end, say price_kind={quote(PAID)}.")
    bands = (
        tuple_of("categories=", '"low"', '"medium"', '"high"'),
        tuple_of("quantiles=", "0.4", "0.8"),
        f"currency={quote(found or NO_CURRENCY)}",
        f"price_kind={quote(price_kind or ASKING)}",
    )
    yield Brackets("target=PriceBands", bands)


def _column(column: Named, currency: str, *, required: bool) -> Iterator[Item]:
    guess = column.guess
    yield Comment(" ".join([f"{guess.distinct:,} distinct, {guess.missing:.1%} missing.", *guess.remarks]))
    if guess.personal:
        yield Comment("personal: it may lead to a person, and is kept out of logs and reports.")
    values = []
    for position, (name, role, bounds) in enumerate(zip(column.names, guess.roles, guess.bounds, strict=True)):
        if bounds.remark:
            yield Comment(bounds.remark)
        unit = guess.unit if position == 0 and bounds.arguments else ""
        if role is Role.PRICE:
            unit = currency or currency_of(unit) or unit
        told = [f"unit={quote(unit)}"] if unit else []
        is_whole = position == len(column.names) - 1  # of a path, the last value; its parts lead to nobody
        told += ["personal=True"] if guess.personal and is_whole and not bounds.arguments else []
        values.append(Brackets("Value", (quote(name), f"Role.{role.name}", *bounds.arguments, *told)))
    assert guess.rule is not None  # nosec B101 # noqa: S101 - columns without one are left out before
    is_required = required or guess.roles[0] in (Role.PRICE, Role.CLASS)
    yield Brackets(
        "Column",
        (
            Quoted(guess.raw),
            Quoted(guess.example),
            _rule(guess.rule),
            tuple_of("", *values),
            *(("required=True",) if is_required else ()),
        ),
    )


def _rule(rule: Rule) -> Brackets:
    given = [field.name for field in fields(rule) if getattr(rule, field.name) != field.default]
    return Brackets(type(rule).__name__, tuple(_argument(name, getattr(rule, name)) for name in given))


def _argument(name: str, found: Any) -> Item:
    if name == "months":
        return Brackets("months=tuple", (f"{quote(' '.join(found))}.split()",))
    if isinstance(found, tuple):
        return tuple_of(f"{name}=", *(quote(one) if isinstance(one, str) else f"{one:g}" for one in found))
    return f"{name}={quote(found) if isinstance(found, str) else repr(found)}"
