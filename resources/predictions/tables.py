"""The prediction store's tables, and how they are opened and migrated: SQLite and PostgreSQL alike.

The service imports this, so it knows neither dagster nor pandas. ``records.py`` writes the tables, and ``store.py``
reads them for assets.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import (
    URL,
    Column,
    Connection,
    DateTime,
    Dialect,
    Double,
    Engine,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    Uuid,
    create_engine,
    event,
    make_url,
    text,
)
from sqlalchemy.exc import ArgumentError
from sqlalchemy.types import TypeDecorator, TypeEngine

VERSION_TABLE = "prediction_store_version"
"""Not alembic's own name: MLflow and Dagster use that, and may be in the same database."""

MIGRATIONS = Path(__file__).parent / "migrations"

MIGRATION_LOCK = 0x686F7573696E67  # of PostgreSQL, a number of one's own choice

LOCK_SECONDS = 5.0
"""How long a statement waits for another process that writes to the same SQLite file."""

_FORMS = "the prediction store is sqlite:///FILE or postgresql://USER:PASSWORD@HOST/DATABASE"

_GONE_SOON = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
"""Connection parameters by which a PostgreSQL server that went away is noticed in seconds; TCP takes a quarter hour."""


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
    Column("estimate", Text, comment="of the price, with its intervals, as JSON; null where there was none"),
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

ANSWER_REVIEWS = Table(
    "answer_reviews",
    METADATA,
    Column("prediction_id", _ID, primary_key=True),
    Column("reviewed_at", Moment, primary_key=True),
    Column("model_version", Text, nullable=False, comment="that answered; empty where none did"),
    Column("verdict", Text, nullable=False, comment="reasonable or unreasonable"),
    Column("note", Text, nullable=False),
    Column("reviewed_by", Text, nullable=False),
)


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
