"""A prediction store as a release before this one made and filled it."""

from collections.abc import Sequence
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, text

from resources.predictions.tables import MIGRATIONS, open_store

_PREDICTION = text(
    "INSERT INTO predictions (prediction_id, role, predicted_at, protocol, request_key, tier, model_version, "
    "price_category, probability_low, probability_medium, probability_high, listing) "
    "VALUES (:prediction_id, :role, :predicted_at, :protocol, :request_key, :tier, :model_version, "
    ":price_category, :probability_low, :probability_medium, :probability_high, :listing)"
)

_FEEDBACK = text(
    "INSERT INTO feedback (feedback_id, prediction_id, price, observed_at, received_at) "
    "VALUES (:feedback_id, :prediction_id, :price, :observed_at, :received_at)"
)


def open_older_store(url: str) -> Engine:
    """Make the first tables in a new database."""
    engine = open_store(url)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    return engine


def fill_older_store(
    connection: Connection, predictions: Sequence[dict[str, Any]], feedback: Sequence[dict[str, Any]]
) -> None:
    """Write records as the older release did."""
    for statement, records in ((_PREDICTION, predictions), (_FEEDBACK, feedback)):
        rows = [
            {name: value if name != "listing" else str(value) for name, value in record.items() if name != "kind"}
            for record in records
        ]
        if rows:
            connection.execute(statement, rows)
