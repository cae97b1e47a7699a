"""Categories of any number: the probabilities become one column, and feedback may have a category instead of a price.

An older release's predictions are refused from then on and wait in its journal; its feedback can still be written.
SQLite copies the predictions into a new table, which takes free space of three times the file's size until it is done.
"""

from typing import Any

import orjson
import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_MOMENT = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")
_PROBABILITIES = "share of each category, in their order, as JSON"
_CLASS = "the true class, of listings that have a class instead of a price"

_COPY = """
    INSERT INTO predictions_0002
    SELECT prediction_id, role, predicted_at, protocol, request_key, tier, model_version, price_category,
        probabilities_0002(probability_low, probability_medium, probability_high), listing
    FROM predictions
"""


def upgrade() -> None:
    """Move the probabilities, to the last bit, and make room for categories in the feedback."""
    if op.get_bind().dialect.name == "postgresql":
        _alter_predictions()
    else:
        _copy_predictions()
    with op.batch_alter_table("feedback") as feedback:
        feedback.alter_column("price", existing_type=sa.Double(), nullable=True)
        feedback.add_column(sa.Column("price_category", sa.Text, comment=_CLASS))


def _alter_predictions() -> None:
    """Write the table anew once, with its indexes and what was granted on it."""
    # Both at the start: a writer of both tables could otherwise end a migration that is nearly done, as a deadlock.
    op.execute("LOCK TABLE predictions, feedback IN ACCESS EXCLUSIVE MODE")
    op.execute("SET LOCAL extra_float_digits = 3")  # a server may be set to write fewer digits than a number has
    op.alter_column(
        "predictions",
        "probability_low",
        type_=sa.Text(),
        postgresql_using=(
            "json_build_object('low', probability_low, 'medium', probability_medium, 'high', probability_high)::text"
        ),
        new_column_name="probabilities",
        comment=_PROBABILITIES,
    )
    op.drop_column("predictions", "probability_medium")
    op.drop_column("predictions", "probability_high")


def _copy_predictions() -> None:
    """Copy the rows through a function of Python: SQLite's own ones write 15 digits of a number, which has up to 17."""
    op.create_table(
        "predictions_0002",
        sa.Column("prediction_id", sa.Text, primary_key=True),
        sa.Column("role", sa.Text, primary_key=True),
        sa.Column("predicted_at", _MOMENT, nullable=False),
        sa.Column("protocol", sa.Text, nullable=False),
        sa.Column("request_key", sa.Text),
        sa.Column("tier", sa.Text, nullable=False),
        sa.Column("model_version", sa.Text),
        sa.Column("price_category", sa.Text, nullable=False),
        sa.Column("probabilities", sa.Text, nullable=False),
        sa.Column("listing", sa.Text, nullable=False),
    )
    driver: Any = op.get_bind().connection.driver_connection
    driver.create_function("probabilities_0002", 3, _as_json)
    op.execute(_COPY)
    driver.create_function("probabilities_0002", 3, None)
    op.drop_table("predictions")
    op.rename_table("predictions_0002", "predictions")
    op.create_index("predictions_by_moment", "predictions", ["predicted_at", "prediction_id", "role"])


def _as_json(low: float, medium: float, high: float) -> str:
    return orjson.dumps({"low": low, "medium": medium, "high": high}).decode()
