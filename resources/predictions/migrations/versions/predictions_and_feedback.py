"""The first tables.

A migration stands on its own: it does not use the tables of ``tables.py``, which will change after it.
Columns that a migration adds have a default or may be empty, so that an older release goes on writing. Where a
migration takes away what an older release writes, that one's inserts fail as if the store were away, and it keeps its
records in its journal; so ``records.insert`` must take their form from then on.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_ID = sa.Uuid(as_uuid=False).with_variant(sa.Text(), "sqlite")
_MOMENT = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "predictions",
        sa.Column("prediction_id", _ID, primary_key=True),
        sa.Column(
            "role", sa.Text, primary_key=True, comment="answer, or shadow: the challenger's, which nobody was told"
        ),
        sa.Column("predicted_at", _MOMENT, nullable=False),
        sa.Column("protocol", sa.Text, nullable=False),
        sa.Column("request_key", sa.Text),
        sa.Column("tier", sa.Text, nullable=False),
        sa.Column("model_version", sa.Text),
        sa.Column("price_category", sa.Text, nullable=False),
        sa.Column("probability_low", sa.Double, nullable=False),
        sa.Column("probability_medium", sa.Double, nullable=False),
        sa.Column("probability_high", sa.Double, nullable=False),
        sa.Column("listing", sa.Text, nullable=False, comment="raw cells as received, as JSON"),
        sa.Index("predictions_by_moment", "predicted_at", "prediction_id", "role"),
    )
    op.create_table(
        "feedback",
        sa.Column("feedback_id", _ID, primary_key=True),
        sa.Column("prediction_id", _ID, nullable=False),
        sa.Column("price", sa.Double, nullable=False, comment="in the currency of the listings"),
        sa.Column("observed_at", _MOMENT, nullable=False),
        sa.Column("received_at", _MOMENT, nullable=False),
        sa.Index("feedback_by_prediction", "prediction_id", "received_at", "feedback_id"),
        sa.Index("feedback_by_moment", "received_at", "feedback_id"),
    )
