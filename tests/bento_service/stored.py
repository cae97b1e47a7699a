"""What a service of these tests has recorded: in its SQLite store, or still in its journal where the machine was busy.

What ships records has the lowest priority. On a busy machine it may make the store's tables after the service is ready,
and end with the service before all is shipped: then the rest waits in the journal for the next start.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Row, Select

from bento_service.records.journal import Journal
from bento_service.records.shipping import Shipper
from resources.predictions.tables import migrate, open_store
from tests.databases import new_sqlite

SHIPPED_SECONDS = 20


def read_store(
    storage: Path, query: Select[Any], until: Callable[[Sequence[Row[Any]]], object] = lambda _: True
) -> Sequence[Row[Any]]:
    """Return what a query finds in the store of a service with this folder, once ``until`` holds of it."""
    engine = open_store(new_sqlite(storage))
    deadline = time.monotonic() + SHIPPED_SECONDS
    try:
        migrate(engine)
        while True:
            with engine.connect() as connection:
                found = connection.execute(query).all()
            if until(found):
                return found
            assert time.monotonic() < deadline, f"{len(found)} rows: {found[:5]}"
            time.sleep(0.1)
    finally:
        engine.dispose()


def ship_what_is_left(storage: Path) -> None:
    """Ship what a service that has ended left in its journal, as its next start would."""
    journal = Journal(storage / "journal", max_bytes=1 << 30)
    shipper = Shipper(journal, new_sqlite(storage), retention_days=10_000)
    shipper.start()
    assert shipper.stop(SHIPPED_SECONDS)
    assert not shipper.state().damaged
    journal.close()
    deadline = time.monotonic() + SHIPPED_SECONDS
    while list(journal.folder.glob("*.journal")):  # of a process that ships and has outlived its worker
        assert time.monotonic() < deadline
        time.sleep(0.1)
