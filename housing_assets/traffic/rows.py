"""The rows that traffic consists of: drawn from a market's sample or from a source, and changed on purpose.

The changes work on raw rows of any market; what only a generator can do, such as unseen areas, is a shift of the
market's sample.
"""

import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from housing_assets.inference.cells import Unusable, read_text
from housing_assets.inference.market import Market
from housing_assets.listings.samples import load_sample

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

SHOWN_VALUES = 10
"""Of a column's values, those that an error shows."""


@dataclass(frozen=True)
class Changes:
    """How rows are changed before they are sent; none by default.

    Parameters
    ----------
    scale : mapping of str to float
        Raw column to the factor on its number, which is read by the column's rule and sent as a clean number. What the
        rule cannot read stays.
    set : mapping of str to str
        Raw column to the text that all its cells become.
    missing : mapping of str to float
        Raw column to the share of its cells, 0 to 1, that are blanked.
    only : mapping of str to str
        Raw column to the text that its cell must have for a row to be sent; looked at before anything is changed.
    """

    scale: Mapping[str, float] = field(default_factory=dict)
    set: Mapping[str, str] = field(default_factory=dict)
    missing: Mapping[str, float] = field(default_factory=dict)
    only: Mapping[str, str] = field(default_factory=dict)


def sample_rows(
    market: Market,
    rows: int,
    *,
    seed: int,
    as_of: date | None = None,
    shift: Mapping[str, Any] | None = None,
    changes: Changes | None = None,
) -> pd.DataFrame:
    """Draw synthetic rows.

    Parameters
    ----------
    market : Market
    rows : int
    seed : int
    as_of : date, optional
        Day on which the rows were written.
    shift : mapping, optional
        Knobs of the market's sample.
    changes : Changes, optional

    Returns
    -------
    DataFrame of shape (rows, n_columns)
        The market's raw columns, as objects.

    Raises
    ------
    ValueError
        If a knob or a change is wrong.
    """
    drawn = load_sample(market).draw(rows, seed=seed, as_of=as_of, shift=shift)
    wanted = changes or Changes()
    _require_usable(market, wanted)
    kept = _only(drawn, wanted.only)
    return _changed(market, kept if len(kept) == rows else _draw(kept, rows, seed), wanted, seed)


def source_rows(
    market: Market,
    location: str,
    rows: int,
    *,
    seed: int,
    changes: Changes | None = None,
    s3_client: "Callable[[], S3Client] | None" = None,
) -> pd.DataFrame:
    """Draw rows from a source, none twice as long as it has enough of them.

    Parameters
    ----------
    market : Market
    location : str
        See ``housing_assets.listings.source.read_listings``.
    rows : int
    seed : int
    changes : Changes, optional
    s3_client : callable, optional

    Returns
    -------
    DataFrame of shape (rows, n_columns)
        The market's raw columns, as objects.

    Raises
    ------
    SourceError
        If the source cannot be read.
    ValueError
        If a change is wrong, or no row is left.
    """
    from housing_assets.listings.source import read_listings

    wanted = changes or Changes()
    _require_usable(market, wanted)
    kept = _only(read_listings(market, location, s3_client).frame, wanted.only)
    return _changed(market, _draw(kept, rows, seed), wanted, seed)


def _draw(pool: pd.DataFrame, rows: int, seed: int) -> pd.DataFrame:
    chosen = np.random.default_rng(seed).choice(len(pool), rows, replace=rows > len(pool))
    return pool.iloc[chosen].reset_index(drop=True)


def _only(rows: pd.DataFrame, only: Mapping[str, str]) -> pd.DataFrame:
    for name, wanted in only.items():
        texts = {cell: _text(cell) for cell in rows[name].unique()}
        rows = rows[rows[name].astype(object).map(texts) == wanted]
        if rows.empty:
            known = sorted({text for text in texts.values() if text is not None})
            shown = ", ".join(known[:SHOWN_VALUES]) + (" …" if len(known) > SHOWN_VALUES else "")
            raise ValueError(f"only {name} is {wanted!r}, which no row has: expected one of {shown}")
    return rows


def _changed(market: Market, rows: pd.DataFrame, changes: Changes, seed: int) -> pd.DataFrame:
    by_name = {column.raw: column for column in market.columns if column.raw in rows}
    changed = {name: rows[name].astype(object) for name in by_name}
    for name, factor in changes.scale.items():
        rule = by_name[name].rule
        scaled = {cell: _scaled(rule, cell, factor) for cell in changed[name].unique()}
        changed[name] = changed[name].map(scaled)
    for name, value in changes.set.items():
        changed[name] = pd.Series(value, index=rows.index, dtype=object)
    for name, share in changes.missing.items():
        draws = np.random.default_rng([seed, zlib.crc32(name.encode())]).random(len(rows))
        changed[name] = changed[name].where(draws >= share, None)
    return pd.DataFrame(changed, index=rows.index)


def _require_usable(market: Market, changes: Changes) -> None:
    known = [column.raw for column in market.columns]
    for what, names in (
        ("scale", changes.scale),
        ("set", changes.set),
        ("missing", changes.missing),
        ("only", changes.only),
    ):
        _require_columns(what, names, known)
    numbers = [column.raw for column in market.columns if len(column.values) == 1 and column.values[0].is_number]
    _require_columns("scale", changes.scale, numbers)
    for name, share in changes.missing.items():
        if not 0 <= share <= 1:
            raise ValueError(f"missing {name} is {share:g}: expected a share from 0 to 1")


def _require_columns(what: str, names: Iterable[str], known: list[str]) -> None:
    for name in names:
        if name not in known:
            raise ValueError(f"{what} names the column {name!r}: expected one of {', '.join(known)}")


def _scaled(rule: Callable[[Any], Any], cell: Any, factor: float) -> Any:
    try:
        number = rule(cell)
    except Unusable:
        return cell
    return cell if number is None else float(number) * factor


def _text(cell: Any) -> str | None:
    try:
        return read_text(cell)
    except Unusable:
        return None
