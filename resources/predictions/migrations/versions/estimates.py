"""The estimate of the price that an answer told; it may be empty, and an older release goes on writing."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_ESTIMATE = "of the price, with its intervals, as JSON; null where there was none"


def upgrade() -> None:
    """Add the column."""
    op.add_column("predictions", sa.Column("estimate", sa.Text, comment=_ESTIMATE))
