"""What records become in the prediction store: how the journal's are checked and inserted, and how rows are deleted.

The service imports this, so it knows neither dagster nor pandas.
"""

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection, Double, Engine, Insert, Integer, Table, delete, func, inspect, select
from sqlalchemy.dialects import postgresql, sqlite

from resources.predictions.tables import ANSWER_REVIEWS, FEEDBACK, PREDICTIONS, REFUSALS, Moment

_ERASED_AT_ONCE = 500
"""Ids in a statement; SQLite takes some thousands."""

_TABLES = {"prediction": PREDICTIONS, "feedback": FEEDBACK, "refusal": REFUSALS}
"""Table of each kind of record."""

_MOMENTS = {
    table: [column.name for column in table.columns if isinstance(column.type, Moment)] for table in _TABLES.values()
}

_MAPPINGS = ("probabilities", "listing", "estimate")
"""Fields that are mappings in a record, and JSON in its row."""

_KINDS: Mapping[type, Any] = {Double: (int, float), Integer: int}
"""Types of the fields that are neither texts nor mappings."""

_FIELDS = {
    table: [
        (
            column.name,
            dict if column.name in _MAPPINGS else _KINDS.get(type(column.type), str),
            bool(column.nullable),
        )
        for column in table.columns
    ]
    for table in _TABLES.values()
}
"""Name and type of each field of a record, and whether it may be null: SQLite itself would take anything."""

_OLDER_SHARE = "probability_"
"""How the fields began in which older releases wrote a prediction's probabilities, one for each category."""

_AGES = {
    PREDICTIONS: PREDICTIONS.c.predicted_at,
    FEEDBACK: FEEDBACK.c.received_at,
    REFUSALS: REFUSALS.c.refused_at,
    ANSWER_REVIEWS: ANSWER_REVIEWS.c.reviewed_at,
}


class RecordRefused(ValueError):
    """A record is not what a row can be made of."""


def insert(connection: Connection, records: Iterable[Mapping[str, Any]]) -> None:
    """Write records of the journal; those that the store has already are left alone.

    Parameters
    ----------
    connection : Connection
        In a transaction.
    records : iterable of mappings
        ``kind`` is ``prediction``, ``feedback`` or ``refusal``; the other fields are the columns of its table, moments
        as ISO 8601 with their offset, ``listing`` and ``probabilities`` as mappings. Feedback has a ``price`` or a
        ``price_category``, and ``None`` for the other one.

        Records of older releases are taken, too: a prediction with a ``probability_<category>`` for each category
        instead of ``probabilities``, or without ``request_id`` or ``estimate``, and feedback without ``price_category``
        or ``price_kind``.

    Raises
    ------
    RecordRefused
        If a record is of no known kind, lacks a field, or has one of another type; if a probability, or a number of an
        estimate, is not finite, or there is no probability for the ``price_category``; if feedback has both a price and
        a category, or neither, or a category with a kind of price; if a refusal counts no requests.
    """
    rows: dict[Table, list[dict[str, Any]]] = defaultdict(list)
    for record in records:
        try:
            table = _TABLES[record["kind"]]
            rows[table].append(_as_row(record, table))
        except (KeyError, TypeError, ValueError, OverflowError) as fault:
            raise RecordRefused(f"{type(fault).__name__}: {fault}") from fault
    for table, found in rows.items():
        connection.execute(_insert_new(table, connection.dialect.name), found)


def oldest_moment(connection: Connection) -> datetime | None:
    """Return when the oldest row was recorded, None if there is none."""
    found = (connection.execute(select(func.min(age))).scalar_one() for age in _AGES.values())
    return min(filter(None, found), default=None)


def prune(connection: Connection, before: datetime, limit: int) -> int:
    """Delete at most ``limit`` rows of each table from before a moment; return how many."""
    deleted = 0
    for table, age in _AGES.items():
        key = table.primary_key.columns[0]
        oldest = select(key).where(age < before).order_by(age).limit(limit)
        deleted += connection.execute(delete(table).where(key.in_(oldest), age < before)).rowcount
    return deleted


def erase(engine: Engine, prediction_ids: Collection[str]) -> int:
    """Delete predictions for good, with what was predicted in their shadow, feedback and reviews.

    Parameters
    ----------
    engine : Engine
    prediction_ids : collection of str

    Returns
    -------
    deleted : int
        Rows. SQLite overwrites them in its file; PostgreSQL frees their space at its next vacuum.
    """
    ids, deleted = sorted(prediction_ids), 0
    with engine.connect() as connection:
        overwrites = connection.dialect.name == "sqlite"
        if overwrites:
            connection.exec_driver_sql("PRAGMA secure_delete = ON").close()
            connection.rollback()
        with connection.begin():
            there = set(inspect(connection).get_table_names())  # one that an older release made has no reviews
            for table in (one for one in (FEEDBACK, ANSWER_REVIEWS, PREDICTIONS) if one.name in there):
                for start in range(0, len(ids), _ERASED_AT_ONCE):
                    some = table.c.prediction_id.in_(ids[start : start + _ERASED_AT_ONCE])
                    deleted += connection.execute(delete(table).where(some)).rowcount
        if overwrites:  # the write-ahead log still has the pages as they were
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").close()
    return deleted


def _as_row(record: Mapping[str, Any], table: Table) -> dict[str, Any]:
    record = _of_this_release(record, table)
    row: dict[str, Any] = {}
    for name, kind, optional in _FIELDS[table]:
        row[name] = value = record[name]
        if not isinstance(value, kind) and not (optional and value is None):
            raise TypeError(f"{name} is of type {type(value).__name__}")
    for name in _MOMENTS[table]:
        row[name] = moment = datetime.fromisoformat(row[name])
        if moment.tzinfo is None:
            raise ValueError(f"{name} has no offset from UTC")
    return _COMPLETIONS[table](row)


def _of_this_release(record: Mapping[str, Any], table: Table) -> Mapping[str, Any]:
    """Return a record as this release writes it; an older one may have left it in its journal."""
    if table is FEEDBACK:
        return {"price_category": None, "price_kind": None, **record}
    if table is not PREDICTIONS:
        return record
    record = {"request_id": None, "estimate": None, **record}
    if "probabilities" in record:
        return record
    shares = {name.removeprefix(_OLDER_SHARE): share for name, share in record.items() if name.startswith(_OLDER_SHARE)}
    return {**record, "probabilities": shares} if shares else record


def _as_prediction(row: dict[str, Any]) -> dict[str, Any]:
    shares = {category: _finite(share, "a probability") for category, share in row["probabilities"].items()}
    if row["price_category"] not in shares:
        raise ValueError("price_category has no probability")
    key = row["request_key"]
    return row | {
        "probabilities": orjson.dumps(shares).decode(),
        "listing": orjson.dumps(row["listing"]).decode(),
        "estimate": None if row["estimate"] is None else orjson.dumps(_as_estimate(row["estimate"])).decode(),
        "request_key": key and key.replace("\0", "\N{REPLACEMENT CHARACTER}"),  # PostgreSQL has no NUL
    }


def _as_estimate(estimate: Mapping[str, Any]) -> Mapping[str, Any]:
    _finite(estimate["price"], "the price of an estimate")
    for name in ("interval_50", "interval_80"):
        for end in ("low", "high"):
            _finite(estimate[name][end], f"an end of {name}")
    return estimate


def _as_feedback(row: dict[str, Any]) -> dict[str, Any]:
    if (row["price"] is None) == (row["price_category"] is None):
        raise ValueError("feedback has either a price or a price_category")
    if row["price"] is None:
        if row["price_kind"] is not None:
            raise ValueError("a category has no kind of price")
        return row
    return row | {"price": _finite(row["price"], "price")}


def _as_refusal(row: dict[str, Any]) -> dict[str, Any]:
    if not 1 <= row["requests"] < 2**31:
        raise ValueError("a refusal counts requests")
    return row


_COMPLETIONS = {PREDICTIONS: _as_prediction, FEEDBACK: _as_feedback, REFUSALS: _as_refusal}


def _finite(value: Any, name: str) -> float:
    """Return a number that every database can hold: SQLite would make null of NaN."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{name} is not a finite number")
    return float(value)


def _insert_new(table: Table, dialect: str) -> Insert:
    if dialect == "postgresql":
        return postgresql.insert(table).on_conflict_do_nothing(index_elements=table.primary_key)
    return sqlite.insert(table).on_conflict_do_nothing(index_elements=table.primary_key)
