"""Which kind a reported price is of, and the request that a prediction was the answer of.

Both may be empty, and an older release goes on writing.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "day_decisions"

_KIND = "asking or paid; null where it was not said: that of the predicted prices"


def upgrade() -> None:
    """Add the columns."""
    op.add_column("feedback", sa.Column("price_kind", sa.Text, comment=_KIND))
    op.add_column("predictions", sa.Column("request_id", sa.Text, comment="X-Request-ID of the request, taken or made"))
