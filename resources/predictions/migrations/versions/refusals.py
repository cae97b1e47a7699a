"""Refused requests: a new table. An older release goes on writing what it writes."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_ID = sa.Uuid(as_uuid=False).with_variant(sa.Text(), "sqlite")
_MOMENT = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "refusals",
        sa.Column("refusal_id", _ID, primary_key=True),
        sa.Column("refused_at", _MOMENT, nullable=False, comment="the second in which they were refused"),
        sa.Column("endpoint", sa.Text, nullable=False),
        sa.Column("protocol", sa.Text, nullable=False),
        sa.Column(
            "field", sa.Text, comment="the first that could not be used; null where the market has no such field"
        ),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column(
            "requests", sa.Integer, nullable=False, comment="refused alike in that second; of a batch, each listing"
        ),
        sa.Index("refusals_by_moment", "refused_at", "refusal_id"),
    )
