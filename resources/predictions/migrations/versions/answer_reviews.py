"""Reviews of answers by persons: a new table. An older release goes on writing what it writes."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

_ID = sa.Uuid(as_uuid=False).with_variant(sa.Text(), "sqlite")
_MOMENT = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "answer_reviews",
        sa.Column("prediction_id", _ID, primary_key=True),
        sa.Column("reviewed_at", _MOMENT, primary_key=True),
        sa.Column("model_version", sa.Text, nullable=False, comment="that answered; empty where none did"),
        sa.Column("verdict", sa.Text, nullable=False, comment="reasonable or unreasonable"),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("reviewed_by", sa.Text, nullable=False),
    )
