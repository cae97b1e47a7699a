import random
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, inspect, text
from sqlalchemy.exc import DBAPIError, OperationalError, ProgrammingError

from resources.predictions.records import insert
from resources.predictions.tables import METADATA, VERSION_TABLE, migrate, open_store
from tests.databases import KINDS, new_store
from tests.resources.older_store import fill_older_store, open_older_store
from tests.resources.prediction_records import older_feedback, older_prediction

CATEGORIES = ("low", "medium", "high")
AWKWARD = (0.1 + 0.2, 1 / 3, 5e-324, 1 - 2**-53, 0.0, 1.0, 1e-7, 2.2250738585072014e-308, 1e22, 123456789.123456789)


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return new_store(request, tmp_path)


def records() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return predictions of which many have shares that need all of their 17 digits, and prices for some."""
    draw = random.Random(0)
    triples = [tuple(AWKWARD[(number + place) % len(AWKWARD)] for place in range(3)) for number in range(len(AWKWARD))]
    triples += [tuple(draw.random() * 10.0 ** -draw.randrange(20) for _ in range(3)) for _ in range(500)]
    predictions = [
        older_prediction(
            number, **{f"probability_{name}": share for name, share in zip(CATEGORIES, triple, strict=True)}
        )
        for number, triple in enumerate(triples)
    ]
    predictions.append(predictions[0] | {"role": "shadow", "model_version": None, "request_key": "house 7"})
    prices = [
        older_feedback(record["prediction_id"], price=price)
        for record, price in zip(predictions, AWKWARD, strict=False)
    ]
    return predictions, prices


def read(store: Engine, table: str) -> list[dict[str, Any]]:
    with store.connect() as connection:
        return [dict(row) for row in connection.execute(text(f"SELECT * FROM {table}")).mappings()]


def by_key(rows: Sequence[dict[str, Any]]) -> dict[tuple[str, str | None], dict[str, Any]]:
    return {(str(row.get("feedback_id", row["prediction_id"])), row.get("role")): row for row in rows}


def bits(shares: Sequence[float]) -> list[str]:
    return [float(share).hex() for share in shares]


def test_every_row_of_an_older_store_is_there_to_the_last_bit(url: str) -> None:
    store = open_older_store(url)
    predictions, prices = records()
    with store.begin() as connection:
        fill_older_store(connection, predictions, prices)
    before, feedback_before = by_key(read(store, "predictions")), by_key(read(store, "feedback"))
    migrate(store)

    written, after = by_key(predictions), by_key(read(store, "predictions"))
    assert after.keys() == before.keys() == written.keys()
    for key, row in after.items():
        shares = orjson.loads(row.pop("probabilities"))
        assert tuple(shares) == CATEGORIES
        assert bits(list(shares.values())) == bits([written[key][f"probability_{name}"] for name in CATEGORIES])
        kept = {name: value for name, value in before[key].items() if not name.startswith("probability_")}
        assert row == kept | {"request_id": None, "estimate": None}
    feedback_after = by_key(read(store, "feedback"))
    assert feedback_after == {
        key: row | {"price_category": None, "price_kind": None} for key, row in feedback_before.items()
    }
    assert bits([row["price"] for row in feedback_after.values()]) == bits([record["price"] for record in prices])


def test_a_store_with_rows_gets_the_tables_that_are_declared(url: str) -> None:
    store = open_older_store(url)
    with store.begin() as connection:
        fill_older_store(connection, *records())
    migrate(store)
    with store.connect() as connection:
        options = {"version_table": VERSION_TABLE, "compare_type": True, "compare_server_default": True}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), METADATA) == []
        inspector = inspect(connection)
        assert set(inspector.get_table_names()) == {*METADATA.tables, VERSION_TABLE}
        for name, table in METADATA.tables.items():
            assert inspector.get_pk_constraint(name)["constrained_columns"] == list(table.primary_key.columns.keys())


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_a_server_that_writes_few_digits_loses_none(url: str) -> None:
    store = open_older_store(url)
    predictions, _ = records()
    with store.begin() as connection:
        fill_older_store(connection, predictions, [])
        connection.execute(text(f"ALTER DATABASE {store.url.database} SET extra_float_digits = 0"))
    store.dispose()
    migrate(store)
    written = by_key(predictions)
    for key, row in by_key(read(store, "predictions")).items():
        shares = orjson.loads(row["probabilities"])
        assert bits(list(shares.values())) == bits([written[key][f"probability_{name}"] for name in CATEGORIES])


def test_several_that_start_at_once_migrate_an_older_store_once(url: str) -> None:
    predictions, prices = records()
    with open_older_store(url).begin() as connection:
        fill_older_store(connection, predictions, prices)
    together, faults = threading.Barrier(4), []

    def start() -> None:
        engine = open_store(url)
        together.wait()
        try:
            migrate(engine)
        except Exception as fault:
            faults.append(fault)
        engine.dispose()

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    store = open_store(url)
    assert len(read(store, "predictions")) == len(predictions)
    assert len(read(store, "feedback")) == len(prices)
    assert [row["version_num"] for row in read(store, VERSION_TABLE)] == ["0007"]


def test_a_migration_that_fails_at_its_end_leaves_the_older_store_as_it_was(url: str) -> None:
    store = open_older_store(url)
    with store.begin() as connection:
        fill_older_store(connection, *records())
        connection.execute(text("CREATE TABLE _alembic_tmp_feedback (of_someone_else INTEGER)"))
        if store.dialect.name == "postgresql":
            connection.execute(text("ALTER TABLE feedback ADD COLUMN price_category INTEGER"))
    before = {table: by_key(read(store, table)) for table in ("predictions", "feedback")}
    with pytest.raises(DBAPIError, match="already exists"):
        migrate(store)
    assert {table: by_key(read(store, table)) for table in ("predictions", "feedback")} == before
    assert [row["version_num"] for row in read(store, VERSION_TABLE)] == ["0001"]
    assert "predictions_by_moment" in {index["name"] for index in inspect(store).get_indexes("predictions")}


def test_an_older_release_keeps_the_predictions_that_it_cannot_write_and_this_one_writes_them(url: str) -> None:
    store = open_store(url)
    migrate(store)
    kept = older_prediction()
    price = older_feedback(kept["prediction_id"])
    # Not DataError or IntegrityError, which would be the fault of the record and set it aside.
    with pytest.raises((OperationalError, ProgrammingError), match="probability_low"), store.begin() as connection:
        fill_older_store(connection, [kept], [])
    with store.begin() as connection:
        fill_older_store(connection, [], [price])
    with store.begin() as connection:
        insert(connection, [kept, price])
    assert [str(row["prediction_id"]) for row in read(store, "predictions")] == [kept["prediction_id"]]
    assert len(read(store, "feedback")) == 1
