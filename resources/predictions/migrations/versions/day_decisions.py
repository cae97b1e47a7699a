"""Decisions on days of production: which are held, and which may be learned from."""

import sqlalchemy as sa
from alembic import op

revision = "day_decisions"
down_revision = "0003"

_MOMENT = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")


def upgrade() -> None:
    """Create the table; an older release goes on beside it."""
    op.create_table(
        "day_decisions",
        sa.Column("day", sa.Text, primary_key=True, comment="UTC, as ISO 8601"),
        sa.Column("decided_at", _MOMENT, primary_key=True),
        sa.Column("state", sa.Text, nullable=False, comment="clean, held or released"),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("decided_by", sa.Text, nullable=False),
        sa.Column("causes", sa.Text, nullable=False, comment="what is wrong with the day, as a JSON list"),
    )
