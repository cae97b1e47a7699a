import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, func, inspect, select, text

from resources.predictions.records import RecordRefused, insert, prune
from resources.predictions.tables import FEEDBACK, METADATA, PREDICTIONS, REFUSALS, VERSION_TABLE, migrate, open_store
from tests.databases import KINDS, new_sqlite, new_store
from tests.resources.prediction_records import SHARES, feedback, older_feedback, older_prediction, prediction, refusal

NOBODY = "00000000-0000-7000-8000-000000000000"
"""The id of no prediction."""

NO_NUMBERS = (None, "0.5", True, float("nan"), float("inf"), 10**400)


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return new_store(request, tmp_path)


@pytest.fixture
def store(url: str) -> Engine:
    engine = open_store(url)
    migrate(engine)
    return engine


def count(store: Engine) -> tuple[int, int]:
    with store.connect() as connection:
        predictions, prices = (
            connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (PREDICTIONS, FEEDBACK)
        )
    return predictions, prices


def test_the_migrations_make_the_tables_that_are_declared(store: Engine) -> None:
    with store.connect() as connection:
        options = {"version_table": VERSION_TABLE, "compare_type": True, "compare_server_default": True}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), METADATA) == []
        indexes = {index["name"] for table in METADATA.tables for index in inspect(connection).get_indexes(table)}
    assert indexes == {
        *("predictions_by_moment", "feedback_by_prediction", "feedback_by_moment", "refusals_by_moment"),
    }


def test_a_migration_that_fails_leaves_nothing_behind(url: str) -> None:
    engine = open_store(url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE feedback (of_someone_else INTEGER)"))
    with pytest.raises(Exception, match="already exists"):
        migrate(engine)
    assert inspect(engine).get_table_names() == ["feedback"]


@pytest.mark.acceptance
def test_processes_that_start_at_once_migrate_once(url: str) -> None:
    program = "import sys; from resources.predictions.tables import migrate, open_store; import alembic.command; "
    program += "print('ready', flush=True); sys.stdin.readline(); migrate(open_store(sys.argv[1]))"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"\n")
        process.stdin.flush()
    for process in processes:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors.decode()
    assert count(open_store(url)) == (0, 0)


def test_a_store_that_a_newer_release_has_migrated_is_still_written_to(store: Engine) -> None:
    with store.begin() as connection:
        connection.execute(text("ALTER TABLE predictions ADD COLUMN later TEXT"))
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    migrate(store)
    with store.begin() as connection:
        insert(connection, [prediction()])
        assert connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar_one() == "9999"
    assert count(store) == (1, 0)


def test_the_migrations_of_mlflow_and_dagster_in_the_same_database_are_left_alone(url: str) -> None:
    engine = open_store(url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)"))
        connection.execute(text("INSERT INTO alembic_version VALUES ('of mlflow')"))
    migrate(engine)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all() == ["of mlflow"]


def test_a_record_is_stored_as_it_was_made(store: Engine) -> None:
    record = prediction(7, request_key="house 7", listing={"district": "Beşiktaş\0\n'\"\\", "m2": 1.5, "n": None})
    with store.begin() as connection:
        insert(connection, [record])
        row = connection.execute(select(PREDICTIONS)).mappings().one()
    assert row["predicted_at"] == datetime(2026, 11, 21, 10, 0, 7, 123456, tzinfo=UTC)
    assert row["probabilities"] == '{"low":0.9,"medium":0.1,"high":0.0}'
    assert row["listing"] == '{"district":"Beşiktaş\\u0000\\n\'\\"\\\\","m2":1.5,"n":null}'
    assert orjson.loads(row["estimate"]) == record["estimate"]
    for name in set(PREDICTIONS.columns.keys()) - {"predicted_at", "probabilities", "estimate", "listing"}:
        assert row[name] == record[name]


def test_a_record_is_stored_once_however_often_it_comes(store: Engine) -> None:
    first, second, shadow = prediction(1), prediction(2), prediction(1)
    shadow |= {"prediction_id": first["prediction_id"], "role": "shadow"}
    price = feedback(first["prediction_id"])
    for records in ([first, shadow, price], [price, first], [second, first, second, shadow]):
        with store.begin() as connection:
            insert(connection, records)
    assert count(store) == (3, 1)


def test_a_prediction_has_any_categories_in_their_order_with_exact_shares(store: Engine) -> None:
    shares = {"çok ucuz": 0.1 + 0.2, "z": 5e-324, "9": 1 - 2**-53, "dear \0": 0, "a": 1 / 3}
    with store.begin() as connection:
        insert(connection, [prediction(price_category="z", probabilities=shares)])
        found = orjson.loads(connection.execute(select(PREDICTIONS.c.probabilities)).scalar_one())
    assert list(found.items()) == list(shares.items())


def test_feedback_is_a_price_or_a_category(store: Engine) -> None:
    with store.begin() as connection:
        insert(connection, [feedback(NOBODY, price=3), feedback(NOBODY, price=None, price_category="villa")])
        rows = connection.execute(select(FEEDBACK.c.price, FEEDBACK.c.price_category)).all()
    assert set(rows) == {(3.0, None), (None, "villa")}


def test_records_that_an_older_release_left_in_its_journal_are_written(store: Engine) -> None:
    old = older_prediction(3)
    named = older_prediction(4, price_category="price unknown", **{"probability_price unknown": 0.25})
    with store.begin() as connection:
        insert(connection, [old, older_feedback(old["prediction_id"]), named, prediction(5)])
        rows = connection.execute(select(PREDICTIONS).order_by(PREDICTIONS.c.predicted_at)).mappings().all()
        price, category = connection.execute(select(FEEDBACK.c.price, FEEDBACK.c.price_category)).one()
    found = [list(orjson.loads(row["probabilities"]).items()) for row in rows]
    assert found == [list(SHARES.items()), [*SHARES.items(), ("price unknown", 0.25)], list(SHARES.items())]
    assert rows[0]["listing"] == orjson.dumps(old["listing"]).decode()
    assert (price, category) == (3_100_000.0, None)


def test_a_record_that_an_older_release_wrote_already_is_left_alone(store: Engine) -> None:
    record = prediction()
    again = older_prediction() | {"prediction_id": record["prediction_id"]}
    for each in (record, again):
        with store.begin() as connection:
            insert(connection, [each])
    assert count(store) == (1, 0)


def test_a_key_with_a_character_that_postgresql_does_not_have_costs_no_prediction(store: Engine) -> None:
    with store.begin() as connection:
        insert(connection, [prediction(request_key="a\0b")])
        assert connection.execute(select(PREDICTIONS.c.request_key)).scalar_one() == "a�b"


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)  # no database sees it, and SQLite would take it
@pytest.mark.parametrize(
    "record",
    [
        {"kind": "rumour"},
        {"no": "kind"},
        [],
        {key: value for key, value in prediction().items() if key != "tier"},
        prediction(predicted_at="yesterday"),
        prediction(predicted_at="2026-11-21T10:00:00"),
        prediction(predicted_at=None),
        prediction(price_category=None),
        prediction(price_category="dear"),
        prediction(probabilities=None),
        prediction(probabilities=[["low", 1.0]]),
        prediction(probabilities={}),
        *(prediction(probabilities=SHARES | {"high": share}) for share in NO_NUMBERS),
        prediction(probabilities=SHARES | {1: 0.5}),
        prediction(estimate={}),
        prediction(estimate="much"),
        *(prediction(estimate=prediction()["estimate"] | {"price": price}) for price in NO_NUMBERS),
        prediction(estimate=prediction()["estimate"] | {"interval_50": {"low": 1.0}}),
        {name: value for name, value in prediction().items() if name != "probabilities"},
        older_prediction(probability_low="much"),
        older_prediction(price_category="dear"),
        feedback(NOBODY, price=None),
        feedback(NOBODY, price_category="villa"),
        feedback(NOBODY, price=None, price_category=3),
        *(feedback(NOBODY, price=price) for price in NO_NUMBERS if price is not None),
        older_feedback(NOBODY, price=None),
        {name: value for name, value in feedback(NOBODY).items() if name != "price"},
        refusal(0),
        refusal(2**31),
        refusal("many"),  # type: ignore[arg-type]
        refusal(refused_at=None),
        refusal(reason=None),
        prediction(listing="text"),
        prediction(tier=[]),
    ],
)
def test_what_is_no_record_is_refused(store: Engine, record: object) -> None:
    with pytest.raises(RecordRefused), store.begin() as connection:
        insert(connection, [prediction(), record])  # type: ignore[list-item]
    assert count(store) == (0, 0)


def test_refusals_are_stored_as_they_were_counted_once_and_deleted_with_age(store: Engine) -> None:
    named, unnamed = refusal(7), refusal(field=None, refused_at="2026-11-22T10:00:00Z")
    for _ in range(2):
        with store.begin() as connection:
            insert(connection, [named, unnamed])
    with store.begin() as connection:
        rows = connection.execute(select(REFUSALS).order_by(REFUSALS.c.refused_at)).mappings().all()
        assert rows[0]["refused_at"] == datetime(2026, 11, 21, 10, tzinfo=UTC)
        for name in set(REFUSALS.columns.keys()) - {"refused_at"}:
            assert [row[name] for row in rows] == [named[name], unnamed[name]]
        assert prune(connection, datetime(2026, 11, 22, tzinfo=UTC), 10) == 1
        assert connection.execute(select(REFUSALS.c.refusal_id)).scalars().all() == [unnamed["refusal_id"]]


def test_what_is_old_is_deleted_bit_by_bit(store: Engine) -> None:
    with store.begin() as connection:
        insert(connection, [prediction(number) for number in range(10)])
        insert(connection, [prediction(0, prediction_id=prediction()["prediction_id"], role="shadow")])
        insert(connection, [feedback(NOBODY, received_at="2026-11-20T00:00:00Z")])
    before = datetime(2026, 11, 21, 10, 0, 6, tzinfo=UTC)
    deleted = []
    for _ in range(4):
        with store.begin() as connection:
            deleted.append(prune(connection, before, 3))
    assert deleted == [4, 3, 1, 0]
    assert count(store) == (4, 0)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("mysql+pymysql://ada:secret@host/db", "mysql"),
        ("postgresql://ada:secret@host:port/db", "no URL"),
        ("secret", "no URL"),
        ("", "no URL"),
        ("sqlite://", "memory"),
        ("sqlite:///:memory:", "memory"),
        ("sqlite:///file:secret?mode=memory&uri=true", "memory"),
    ],
)
def test_another_url_is_refused_without_repeating_it(url: str, told: str) -> None:
    with pytest.raises(ValueError, match=told) as refusal:
        open_store(url)
    assert "secret" not in str(refusal.value)
    assert refusal.value.__cause__ is None


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_postgresql_is_reached_through_psycopg_3(scheme: str) -> None:
    engine = open_store(f"{scheme}://ada:secret@host/db?connect_timeout=3")
    assert (engine.dialect.name, engine.dialect.driver) == ("postgresql", "psycopg")


def test_a_commit_of_sqlite_survives_a_loss_of_power(tmp_path: Path) -> None:
    with open_store(new_sqlite(tmp_path / "new" / "folder")).connect() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar_one() == "wal"
        assert connection.execute(text("PRAGMA synchronous")).scalar_one() == 2
