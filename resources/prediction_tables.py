"""The prediction store's tables, and what writes them: SQLite and PostgreSQL alike.

The service imports this, so it knows neither dagster nor pandas; ``prediction_store.py`` reads the tables for assets.
"""

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import (
    URL,
    Column,
    Connection,
    DateTime,
    Dialect,
    Double,
    Engine,
    Index,
    Insert,
    Integer,
    MetaData,
    Table,
    Text,
    Uuid,
    create_engine,
    delete,
    event,
    func,
    make_url,
    select,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError
from sqlalchemy.types import TypeDecorator, TypeEngine

VERSION_TABLE = "prediction_store_version"
"""Not alembic's own name: MLflow and Dagster use that, and may be in the same database."""

MIGRATIONS = Path(__file__).parent / "prediction_migrations"

MIGRATION_LOCK = 0x686F7573696E67  # of PostgreSQL, a number of one's own choice

LOCK_SECONDS = 5.0
"""How long a statement waits for another process that writes to the same SQLite file."""

_ERASED_AT_ONCE = 500
"""Ids in a statement; SQLite takes some thousands."""

_FORMS = "the prediction store is sqlite:///FILE or postgresql://USER:PASSWORD@HOST/DATABASE"

_GONE_SOON = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
"""Connection parameters by which a PostgreSQL server that went away is noticed in seconds; TCP takes a quarter hour."""


class RecordRefused(ValueError):
    """A record is not what a row can be made of."""


class Moment(TypeDecorator[datetime]):
    """A moment in UTC: ``timestamptz`` on PostgreSQL, ISO 8601 of fixed width on SQLite, which sorts as text."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the type of the database."""
        return dialect.type_descriptor(Text() if dialect.name == "sqlite" else DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Write a moment."""
        if value is None or dialect.name != "sqlite":
            return value
        return value.astimezone(UTC).isoformat(timespec="microseconds")

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Read a moment."""
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        return None if moment is None else moment.astimezone(UTC)


_ID = Uuid(as_uuid=False).with_variant(Text(), "sqlite")

METADATA = MetaData()

PREDICTIONS = Table(
    "predictions",
    METADATA,
    Column("prediction_id", _ID, primary_key=True),
    Column("role", Text, primary_key=True, comment="answer, or shadow: the challenger's, which nobody was told"),
    Column("predicted_at", Moment, nullable=False),
    Column("protocol", Text, nullable=False),
    Column("request_key", Text),
    Column("request_id", Text, comment="X-Request-ID of the request, taken or made"),
    Column("tier", Text, nullable=False),
    Column("model_version", Text),
    Column("price_category", Text, nullable=False),
    Column("probabilities", Text, nullable=False, comment="share of each category, in their order, as JSON"),
    Column("listing", Text, nullable=False, comment="raw cells as received, as JSON"),
    Index("predictions_by_moment", "predicted_at", "prediction_id", "role"),
)

FEEDBACK = Table(
    "feedback",
    METADATA,
    Column("feedback_id", _ID, primary_key=True),
    Column("prediction_id", _ID, nullable=False),
    Column("price", Double, comment="in the currency of the listings"),
    Column("price_category", Text, comment="the true class, of listings that have a class instead of a price"),
    Column("price_kind", Text, comment="asking or paid; null where it was not said: that of the predicted prices"),
    Column("observed_at", Moment, nullable=False),
    Column("received_at", Moment, nullable=False),
    Index("feedback_by_prediction", "prediction_id", "received_at", "feedback_id"),
    Index("feedback_by_moment", "received_at", "feedback_id"),
)

REFUSALS = Table(
    "refusals",
    METADATA,
    Column("refusal_id", _ID, primary_key=True),
    Column("refused_at", Moment, nullable=False, comment="the second in which they were refused"),
    Column("endpoint", Text, nullable=False),
    Column("protocol", Text, nullable=False),
    Column("field", Text, comment="the first that could not be used; null where the market has no such field"),
    Column("reason", Text, nullable=False),
    Column("requests", Integer, nullable=False, comment="refused alike in that second; of a batch, each listing"),
    Index("refusals_by_moment", "refused_at", "refusal_id"),
)

DAY_DECISIONS = Table(
    "day_decisions",
    METADATA,
    Column("day", Text, primary_key=True, comment="UTC, as ISO 8601"),
    Column("decided_at", Moment, primary_key=True),
    Column("state", Text, nullable=False, comment="clean, held or released"),
    Column("reason", Text, nullable=False),
    Column("decided_by", Text, nullable=False),
    Column("causes", Text, nullable=False, comment="what is wrong with the day, as a JSON list"),
)

_TABLES = {"prediction": PREDICTIONS, "feedback": FEEDBACK, "refusal": REFUSALS}
"""Table of each kind of record."""

_MOMENTS = {
    table: [column.name for column in table.columns if isinstance(column.type, Moment)] for table in _TABLES.values()
}

_MAPPINGS = ("probabilities", "listing")
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

_AGES = {PREDICTIONS: PREDICTIONS.c.predicted_at, FEEDBACK: FEEDBACK.c.received_at, REFUSALS: REFUSALS.c.refused_at}


def open_store(url: str) -> Engine:
    """Return an engine for the store; nothing is connected yet.

    Parameters
    ----------
    url : str
        ``sqlite:///FILE``, whose folder is made, or ``postgresql://USER:PASSWORD@HOST/DATABASE``.

    Raises
    ------
    ValueError
        If the URL is of neither form. The message does not repeat it: it may have a password.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise ValueError(f"{_FORMS}; what was given is no URL") from None
    if parsed.drivername in ("postgresql", "postgres", "postgresql+psycopg"):
        return _open_postgresql(parsed.set(drivername="postgresql+psycopg"))
    if parsed.drivername in ("sqlite", "sqlite+pysqlite"):
        return _open_sqlite(parsed)
    raise ValueError(f"{_FORMS}, not {parsed.drivername}")


def migrate(engine: Engine) -> None:
    """Bring the tables to the form that this release writes.

    Any number of processes may do so at once. A store that a newer release has migrated is left as it is. Where the
    tables no longer have what an older release writes, its inserts fail and its records stay in its journal, as when
    the store is away; the process of this release that adopts them writes them, for ``insert`` takes their older form.
    """
    from alembic import command
    from alembic.config import Config
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    with engine.connect().execution_options(sqlite_begin="IMMEDIATE") as connection, connection.begin():
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK})
        found = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_revision()
        if found is None or found in known:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")


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
        instead of ``probabilities``, or without ``request_id``, and feedback without ``price_category`` or
        ``price_kind``.

    Raises
    ------
    RecordRefused
        If a record is of no known kind, lacks a field, or has one of another type; if a probability is no finite
        number, or there is none for the ``price_category``; if feedback has both a price and a category, or neither, or
        a category with a kind of price; if a refusal counts no requests.
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
    """Delete predictions for good, with what was predicted in their shadow and the feedback on them.

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
            for table in (FEEDBACK, PREDICTIONS):
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
    if "request_id" not in record:
        record = {"request_id": None, **record}
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
        "request_key": key and key.replace("\0", "\N{REPLACEMENT CHARACTER}"),  # PostgreSQL has no NUL
    }


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


def _open_postgresql(url: URL) -> Engine:
    parameters = {name: value for name, value in _GONE_SOON.items() if name not in url.query}
    return create_engine(url, connect_args=parameters, pool_pre_ping=True, hide_parameters=True)


def _open_sqlite(url: URL) -> Engine:
    if not url.database or url.database.startswith((":memory:", "file:")):
        raise ValueError(f"{_FORMS}; an SQLite store in memory would be lost with its process")
    Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, connect_args={"timeout": LOCK_SECONDS}, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # sqlite3 would begin transactions where it likes, and none around DDL
        connection.execute("PRAGMA journal_mode = WAL")
        # The journal's copy is deleted after the commit, so the commit must survive a loss of power.
        connection.execute("PRAGMA synchronous = FULL")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(f"BEGIN {connection.get_execution_options().get('sqlite_begin', 'DEFERRED')}")

    return engine
