"""Whether the parts of a market's declaration fit together; what contradicts itself is refused when it is declared."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from housing_assets.inference.cells import Unusable, read_text
from housing_assets.inference.declaration import (
    FEATURE_NUMBERS,
    PRICE_KINDS,
    SEPARATOR,
    TARGETS,
    TEXTS,
    DeclarationError,
    PriceBands,
    Role,
)
from housing_assets.inference.declaration.requirements import require_known, require_name
from housing_assets.inference.rules import Choice

if TYPE_CHECKING:
    from housing_assets.inference.market import Market

RESERVED = frozenset({"row", "origin", "asked_on", "reported_on", "synthetic", "held_out"}) | {
    "prediction_id", "predicted_at", "tier", "model_version", "price_category", "probabilities"
}  # fmt: skip
"""Columns that the platform itself puts beside the values of a listing, or of an answered request."""

RESERVED_RAW = frozenset({"row", "origin", "source_file", "source_row", "column", "value", "reason", "unusable_cells"})
"""Columns that it puts beside the cells of a raw row: where the row stood, and why it is in quarantine."""


def require_coherence(market: "Market") -> None:
    """Refuse a market whose parts contradict each other.

    Raises
    ------
    DeclarationError
        That names the field, what was found and what was expected.
    """
    require_name("the market's name", market.name)
    _require_different_names(market)
    _require_target(market)
    _require_price_kind(market)
    _require_exact(market)
    lowest = {value.name: value.minimum for value in market.values(*FEATURE_NUMBERS)}
    numbers = list(lowest)
    for bin_ in market.bins:
        require_known(f"`of` of the bin {bin_.name}", [bin_.of], numbers)
        if bin_.per_log_unit is not None and lowest[bin_.of] < 0:
            raise DeclarationError(
                f"minimum of {bin_.of} is {lowest[bin_.of]:g}: the bin {bin_.name} by per_log_unit needs at least 0"
            )
    for grid in market.grids:
        require_known(f"the grid {grid.name}", [grid.latitude, grid.longitude], numbers)
    for number in market.linear:
        require_known("linear", [number.of], numbers)
        if number.log and next(value for value in market.values() if value.name == number.of).minimum < 0:
            raise DeclarationError(f"linear takes the log of {number.of}: expected a minimum of at least 0")
    for quotient in market.quotients:
        require_known(f"the quotient {quotient.name}", [quotient.dividend, quotient.divisor], numbers)
    _require_kernel(market, lowest)
    texts = [*(value.name for value in market.values(*TEXTS)), *(bin_.name for bin_ in market.bins)]
    texts += [grid.name for grid in market.grids]
    for names in market.crosses:
        if len(names) < 2:
            raise DeclarationError(f"the cross {names!r} has {len(names)} part: expected two or more")
        require_known(f"the cross {SEPARATOR.join(names)}", names, texts)
    kernel_texts = () if market.local is None else (market.local.block, *market.local.texts)
    told_apart = (("segments", market.segments), ("fallback", market.fallback), ("the local kernel", kernel_texts))
    for what, names in told_apart:
        require_known(what, names, texts)
        personal = sorted(market.personal_names.intersection(names))
        if personal:
            raise DeclarationError(
                f"{what} names {personal[0]!r}, which is personal: its values would be stored with the model"
            )


def _require_kernel(market: "Market", lowest: Mapping[str, float]) -> None:
    if market.local is None:
        return
    days = [value.name for value in market.values(Role.CLOCK)]
    known = [*lowest, *(quotient.name for quotient in market.quotients), *days]
    for number in market.local.numbers:
        require_known("the local kernel", [number.of], known)
        if number.of in market.personal_names:
            raise DeclarationError(
                f"the local kernel names {number.of!r}, which is personal: its values would be stored with the model"
            )
        if number.log and not lowest.get(number.of, -1.0 if number.of in days else 0.0) >= 0:
            raise DeclarationError(f"the local kernel takes the log of {number.of}: expected a minimum of at least 0")


def _require_different_names(market: "Market") -> None:
    made = [bin_.name for bin_ in market.bins]
    made += [grid.name for grid in market.grids]
    made += [quotient.name for quotient in market.quotients]
    columns_made = [*(value.name for value in market.values()), *made]
    declared: dict[str, list[str]] = {
        "columns": [column.raw for column in market.columns],
        "values, bins, grids and quotients": columns_made,
        "crosses": [SEPARATOR.join(names) for names in market.crosses],
        "linear": [number.of for number in market.linear],
        "numbers of the local kernel": [] if market.local is None else [number.of for number in market.local.numbers],
        "texts of the local kernel": [] if market.local is None else list(market.local.texts),
    }
    for what, names in declared.items():
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise DeclarationError(f"{what} name {', '.join(twice)} twice: expected different names")

    taken = sorted(RESERVED & set(columns_made))
    if taken:
        raise DeclarationError(f"a value is named {taken[0]!r}: listings have a column of that name already")
    taken = sorted(RESERVED_RAW & market.known_names)
    if taken:
        raise DeclarationError(
            f"a column is named {taken[0]!r}: raw rows have one of that name already; rename it in the source"
        )


def _require_target(market: "Market") -> None:
    found = [column for column in market.columns if any(value.role in TARGETS for value in column.values)]
    if len(found) != 1 or len(found[0].values) != 1:
        names = ", ".join(column.raw for column in found) or "none"
        raise DeclarationError(f"columns with the target are {names}: expected one, whose rule returns one value")
    wanted = Role.PRICE if isinstance(market.target, PriceBands) else Role.CLASS
    column = found[0]
    if column.values[0].role is not wanted:
        raise DeclarationError(
            f"role of {column.values[0].name} is {column.values[0].role}: the target declares a {wanted}"
        )
    if not column.required:
        raise DeclarationError(f"`required` of the target's column {column.raw} is False: expected True")
    if wanted is Role.PRICE and not column.values[0].minimum > 0:
        raise DeclarationError(
            f"minimum of {column.values[0].name} is {column.values[0].minimum:g}: expected a price above 0"
        )
    unreadable = [name for name in market.target.categories if not _is_read_as_it_stands(name)]
    if wanted is Role.CLASS and unreadable:
        raise DeclarationError(
            f"categories name {unreadable[0]!r}: expected a text that is not read as missing, without spaces around it"
        )
    if wanted is Role.CLASS and column.rule != Choice(market.target.categories):
        raise DeclarationError(
            f"rule of {column.raw} is {column.rule}: expected a Choice of the target's categories, "
            f"{', '.join(market.target.categories)}"
        )


def _is_read_as_it_stands(text: str) -> bool:
    try:
        return read_text(text) == text
    except Unusable:
        return False


def _require_exact(market: "Market") -> None:
    """Refuse a row's word on its price that it could not give."""
    found = [column for column in market.columns if any(value.role is Role.EXACT for value in column.values)]
    if not found:
        return
    if len(found) > 1 or len(found[0].values) > 1 or found[0].required or not isinstance(market.target, PriceBands):
        names = ", ".join(column.raw for column in found)
        raise DeclarationError(
            f"{names} says whether a price is exact: expected one such column, of one value, not required, "
            "beside a price"
        )
    value = found[0].values[0]
    if (value.minimum, value.maximum) != (0, 1):
        raise DeclarationError(
            f"minimum and maximum of {value.name} are {value.minimum:g} and {value.maximum:g}: expected 0 and 1"
        )


def _require_price_kind(market: "Market") -> None:
    """Refuse a price whose kind no row would tell, or whose reports would not tell the kinds apart."""
    named = market.price_kind
    if named in ("", *PRICE_KINDS):
        return
    kinds = " or ".join(PRICE_KINDS)
    column = market.price_kind_column
    if column is None:
        names = ", ".join(value.name for value in market.values(Role.CATEGORY))
        raise DeclarationError(
            f"price_kind of the target is {named!r}: expected {kinds}, or the category that says it of each row, "
            f"one of {names or 'which there is none'}"
        )
    if column.rule != Choice(PRICE_KINDS) or not column.required:
        raise DeclarationError(
            f"{column.raw} says of each row which kind its price is: expected the rule Choice({PRICE_KINDS}), required"
        )
    if named not in market.segments:
        raise DeclarationError(
            f"segments do not name {named}: expected it, so that reports tell how right the model is about each kind"
        )
