"""The prediction store as assets read it: frames of bounded size, however much there is."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

if TYPE_CHECKING:
    import pandas as pd
    from sqlalchemy import ColumnElement, Connection, RowMapping, Select, Table


class PredictionStore(dg.ConfigurableResource):
    """Reads what the service predicted, and the prices that were reported later.

    Every frame has the columns of its table; moments are ``datetime64[us, UTC]``, numbers float64, texts objects. A
    store into which nothing was written yet gives one empty frame of that form; one that cannot be reached raises
    ``sqlalchemy.exc.OperationalError``. Intervals include their start and not their end, and are aware of their zone.
    """

    url: str = Field(description="SQLAlchemy URL of the prediction store: SQLite or PostgreSQL.")
    rows_at_once: int = Field(default=20_000, ge=1, description="Rows of a frame, at most.")

    def predictions(
        self, start: datetime, end: datetime, *, roles: Sequence[str] = ("answer",)
    ) -> "Iterator[pd.DataFrame]":
        """Read the predictions made in an interval, oldest first.

        Parameters
        ----------
        start, end : datetime
        roles : sequence of str
            ``answer``, and ``shadow`` for what a challenger predicted beside it.

        Yields
        ------
        predictions : DataFrame
            ``prediction_id``, ``role``, ``predicted_at``, ``protocol``, ``request_key``, ``tier``, ``model_version``,
            ``price_category``, ``probability_low``, ``probability_medium``, ``probability_high``, and ``listing``,
            which ``read_listings`` expands.
        """
        from sqlalchemy import select

        from resources.prediction_tables import PREDICTIONS

        columns = PREDICTIONS.c
        query = select(PREDICTIONS).where(_within(columns.predicted_at, start, end), columns.role.in_(roles))
        return self._read(PREDICTIONS, query, ("predicted_at", "prediction_id", "role"))

    def count(self, start: datetime, end: datetime) -> int:
        """Return how many predictions were answered in an interval."""
        from sqlalchemy import func, select

        from resources.prediction_tables import PREDICTIONS

        columns = PREDICTIONS.c
        query = select(func.count()).where(_within(columns.predicted_at, start, end), columns.role == "answer")
        with self._connect() as connection:
            return connection.execute(query).scalar_one() if _is_migrated(connection, PREDICTIONS) else 0

    def feedback(self, start: datetime, end: datetime) -> "Iterator[pd.DataFrame]":
        """Read the feedback received in an interval, oldest first.

        Yields
        ------
        feedback : DataFrame
            ``feedback_id``, ``prediction_id``, ``price``, ``observed_at``, ``received_at``.
        """
        from sqlalchemy import select

        from resources.prediction_tables import FEEDBACK

        query = select(FEEDBACK).where(_within(FEEDBACK.c.received_at, start, end))
        return self._read(FEEDBACK, query, ("received_at", "feedback_id"))

    def labels(self, as_of: datetime, *, since: datetime | None = None) -> "Iterator[pd.DataFrame]":
        """Read the answered predictions whose price was known at a moment.

        Parameters
        ----------
        as_of : datetime
            What was received by then counts, the newest for each prediction; so a report can be made again later.
        since : datetime, optional
            Leave out predictions from before.

        Yields
        ------
        labels : DataFrame
            The columns of predictions and of feedback.
        """
        from sqlalchemy import select, tuple_

        from resources.prediction_tables import FEEDBACK, PREDICTIONS

        newer = FEEDBACK.alias("newer")
        superseded = select(newer).where(
            newer.c.prediction_id == FEEDBACK.c.prediction_id,
            newer.c.received_at <= as_of,
            tuple_(newer.c.received_at, newer.c.feedback_id) > tuple_(FEEDBACK.c.received_at, FEEDBACK.c.feedback_id),
        )
        query = (
            select(PREDICTIONS, *(column for column in FEEDBACK.c if column.name != "prediction_id"))
            .join(FEEDBACK, FEEDBACK.c.prediction_id == PREDICTIONS.c.prediction_id)
            .where(PREDICTIONS.c.role == "answer", FEEDBACK.c.received_at <= as_of, ~superseded.exists())
        )
        if since is not None:
            query = query.where(PREDICTIONS.c.predicted_at >= since)
        return self._read(FEEDBACK, query, ("received_at", "feedback_id"))

    def _read(self, table: "Table", query: "Select[Any]", order: Sequence[str]) -> "Iterator[pd.DataFrame]":
        """Read page by page, each in a transaction of its own: a long one would keep the store from tidying up."""
        from sqlalchemy import tuple_

        keys = [table.c[name] for name in order]
        with self._connect() as connection:
            if not _is_migrated(connection, table):
                yield _as_frame([], query)
                return
            last: Sequence[Any] | None = None
            while True:
                rest = query
                if last is not None:
                    rest = query.where(tuple_(*keys) > tuple_(*last, types=[key.type for key in keys]))
                with connection.begin():
                    page = connection.execute(rest.order_by(*keys).limit(self.rows_at_once)).mappings().all()
                if page or last is None:
                    yield _as_frame(page, query)
                if len(page) < self.rows_at_once:
                    return
                last = [page[-1][key.name] for key in keys]

    @contextmanager
    def _connect(self) -> "Iterator[Connection]":
        from resources.prediction_tables import open_store

        url = self.url  # a variable's name until Dagster has prepared the resource for a run
        engine = open_store(url.get_value() or "" if isinstance(url, dg.EnvVar) else url)
        try:
            with engine.connect() as connection:
                yield connection
        finally:
            engine.dispose()


def read_listings(predictions: "pd.DataFrame", columns: Sequence[str] | None = None) -> "pd.DataFrame":
    """Return the listings of a frame of predictions, one row each with its index, as raw cells.

    Parameters
    ----------
    predictions : DataFrame
        With ``listing``, as ``PredictionStore`` reads it.
    columns : sequence of str, optional
        Raw columns that the frame shall have, whether they were sent or not; without it those that were sent.
    """
    import orjson
    import pandas as pd

    cells = [orjson.loads(listing) for listing in predictions["listing"]]
    names = None if columns is None else list(columns)
    return pd.DataFrame(cells, index=predictions.index, columns=names, dtype=object)


def _within(column: "ColumnElement[datetime]", start: datetime, end: datetime) -> "ColumnElement[bool]":
    from sqlalchemy import and_

    return and_(column >= start, column < end)


def _is_migrated(connection: "Connection", table: "Table") -> bool:
    from sqlalchemy import inspect

    with connection.begin():
        return inspect(connection).has_table(table.name)


def _as_frame(rows: "Sequence[RowMapping]", query: "Select[Any]") -> "pd.DataFrame":
    import pandas as pd

    return pd.DataFrame(
        {
            column.name: pd.Series([row[column.name] for row in rows], dtype=_frame_type(column))
            for column in query.selected_columns
        }
    )


def _frame_type(column: "ColumnElement[Any]") -> Any:
    from sqlalchemy import Double

    from resources.prediction_tables import Moment

    if isinstance(column.type, Moment):
        return "datetime64[us, UTC]"
    return "float64" if isinstance(column.type, Double) else "object"
