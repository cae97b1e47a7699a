"""The prediction store as assets read it: frames of bounded size, however much there is."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import dagster as dg
from pydantic import Field

from resources.predictions.answer_reviews import Review, is_drawn, read_reviews, write_review
from resources.predictions.day_decisions import DayDecision, Days, read_days, write_decision
from resources.predictions.frames import as_frame

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from sqlalchemy import ColumnElement, Connection, RowMapping, Select, Table

Purpose = Literal["judging", "teaching", "looking"]
"""What labelled predictions are read for."""


class Refusals(NamedTuple):
    """Requests that were refused alike.

    Attributes
    ----------
    endpoint : str
    field : str or None
        The first one that could not be used; None where it is none of the market's.
    reason : str
        ``missing``, ``unusable``, ``unknown_field`` or ``malformed``.
    requests : int
        Of batches, each listing is one.
    """

    endpoint: str
    field: str | None
    reason: str
    requests: int


class PredictionStore(dg.ConfigurableResource):
    """Reads what the service predicted, and the prices or categories that were reported later.

    Every frame has the columns of its table; moments are ``datetime64[us, UTC]``, numbers float64, texts objects. A
    store into which nothing was written yet gives one empty frame of that form. One that cannot be reached raises
    ``sqlalchemy.exc.OperationalError``, one of another release ``sqlalchemy.exc.InvalidRequestError``. Intervals
    include their start and not their end, and are aware of their zone.
    """

    url: str = Field(description="SQLAlchemy URL of the prediction store: SQLite or PostgreSQL.")
    rows_at_once: int = Field(default=20_000, ge=1, description="Rows of a frame, at most.")
    review_share: float = Field(
        default=0.01, ge=0, le=1, description="Share of the answers that are drawn at random for persons to review."
    )

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
            ``price_category``, ``probabilities``, which ``frames.read_probabilities`` expands, and ``listing``, which
            ``frames.read_listings`` expands.
        """
        from sqlalchemy import select

        from resources.predictions.tables import PREDICTIONS

        columns = PREDICTIONS.c
        query = select(PREDICTIONS).where(_within(columns.predicted_at, start, end), columns.role.in_(roles))
        return self._read(PREDICTIONS, query, ("predicted_at", "prediction_id", "role"))

    def reported_prices(self, start: datetime, end: datetime, price_kind: str | None = None) -> "np.ndarray":
        """Read the prices that were reported in an interval: float64 of shape (n_prices,), in no order.

        Parameters
        ----------
        start, end : datetime
        price_kind : str, optional
            ``asking`` or ``paid``: only prices of that kind, and those of which none was said. All by default.
        """
        import numpy as np
        from sqlalchemy import or_, select

        from resources.predictions.tables import FEEDBACK

        price, said = FEEDBACK.c.price, FEEDBACK.c.price_kind
        query = select(price).where(_within(FEEDBACK.c.received_at, start, end), price.is_not(None))
        if price_kind is not None:
            query = query.where(or_(said.is_(None), said == price_kind))
        return np.array([found for (found,) in self._rows(FEEDBACK, query)], dtype=np.float64)

    def days(self) -> Days:
        """Read what was decided on the days of production."""
        from resources.predictions.tables import DAY_DECISIONS

        with self._reading(DAY_DECISIONS) as connection:
            return read_days(connection) if connection else Days()

    def decide(self, decision: DayDecision) -> None:
        """Add a decision on a day; a store of an older release is brought to this one's form."""
        with self._writing() as connection:
            write_decision(connection, decision)

    def drawn_for_review(self, day: date) -> list[str]:
        """Return the ids of the answers of a day that persons should look at, the oldest first; see ``is_drawn``.

        Parameters
        ----------
        day : date
            UTC.
        """
        from sqlalchemy import select

        from resources.predictions.tables import PREDICTIONS

        start = datetime.combine(day, time(), UTC)
        columns = PREDICTIONS.c
        query = select(columns.prediction_id).where(
            _within(columns.predicted_at, start, start + timedelta(days=1)), columns.role == "answer"
        )
        query = query.order_by(columns.predicted_at, columns.prediction_id)
        ids = (one for (one,) in self._rows(PREDICTIONS, query)) if self.review_share else ()
        return [one for one in ids if is_drawn(one, self.review_share)]

    def answers(self, prediction_ids: Collection[str]) -> "dict[str, RowMapping]":
        """Return what was answered, as the rows of its table, by id; of unknown ids there is none."""
        from sqlalchemy import select

        from resources.predictions.tables import PREDICTIONS

        columns = PREDICTIONS.c
        query = select(PREDICTIONS).where(columns.prediction_id.in_(sorted(prediction_ids)), columns.role == "answer")
        return {row.prediction_id: row._mapping for row in self._rows(PREDICTIONS, query)}

    def reviews(self, prediction_ids: Collection[str] | None = None) -> dict[str, Review]:
        """Return the newest review of each answer by its id, of all of them or of some."""
        from resources.predictions.tables import ANSWER_REVIEWS

        with self._reading(ANSWER_REVIEWS) as connection:
            return read_reviews(connection, prediction_ids) if connection else {}

    def review(self, review: Review) -> None:
        """Add a review of an answer; a store of an older release is brought to this one's form."""
        with self._writing() as connection:
            write_review(connection, review)

    def labels(
        self,
        as_of: datetime,
        *,
        since: datetime | None = None,
        role: str = "answer",
        purpose: Purpose = "judging",
        price_kind: str | None = None,
    ) -> "Iterator[pd.DataFrame]":
        """Read the predictions whose true price or category was known at a moment, in the order it was received.

        Those of a day that is held are left out.

        Parameters
        ----------
        as_of : datetime
            What was received by then counts, the newest for each prediction and kind of price; so a report can be made
            again later.
        since : datetime, optional
            Leave out predictions from before.
        role : str
            ``answer``, or ``shadow`` for what a challenger predicted beside it.
        purpose : str
            ``judging``; ``teaching``, which also leaves out what no judgement of its day has seen; or ``looking``,
            which leaves out nothing.
        price_kind : str, optional
            ``asking`` or ``paid``: what a price counts as of which no kind was said.

        Yields
        ------
        labels : DataFrame
            The columns of ``predictions``, then ``feedback_id``, ``price`` (NaN where a category was reported),
            ``true_category`` (``None`` where a price was), ``price_kind`` (``None`` where none was said, and none is
            given), ``observed_at``, ``received_at``. A prediction with prices of both kinds has a row for each.
        """
        from resources.predictions.labels import labels_query
        from resources.predictions.tables import FEEDBACK

        query = labels_query(as_of, since=since, role=role, price_kind=price_kind)
        days = Days() if purpose == "looking" else self.days()
        for frame in self._read(FEEDBACK, query, ("received_at", "feedback_id")):
            if purpose == "looking":
                yield frame
            else:
                yield frame[days.may_judge(frame) if purpose == "judging" else days.may_teach(frame)]

    def count_predictions(self, start: datetime, end: datetime) -> int:
        """Count the answers of an interval; shadow predictions are none."""
        from sqlalchemy import func, select

        from resources.predictions.tables import PREDICTIONS

        columns = PREDICTIONS.c
        counted = select(func.count()).where(_within(columns.predicted_at, start, end), columns.role == "answer")
        return sum(count for (count,) in self._rows(PREDICTIONS, counted))

    def count_unmatched_feedback(self, start: datetime, end: datetime) -> int:
        """Count the feedback received in an interval on predictions that the store does not have."""
        from sqlalchemy import func, select

        from resources.predictions.tables import FEEDBACK, PREDICTIONS

        made = select(PREDICTIONS.c.role).where(PREDICTIONS.c.prediction_id == FEEDBACK.c.prediction_id).exists()
        counted = select(func.count()).where(_within(FEEDBACK.c.received_at, start, end), ~made)
        return sum(count for (count,) in self._rows(FEEDBACK, counted))

    def refusals(self, start: datetime, end: datetime) -> "list[Refusals]":
        """Count the requests that were refused in an interval, the most frequent kind first."""
        from sqlalchemy import func, select

        from resources.predictions.tables import REFUSALS

        columns = REFUSALS.c
        kind = (columns.endpoint, columns.field, columns.reason)
        requests = func.sum(columns.requests)
        counted = (
            select(*kind, requests)
            .where(_within(columns.refused_at, start, end))
            .group_by(*kind)
            .order_by(requests.desc(), *kind)
        )
        rows = self._rows(REFUSALS, counted)
        return [Refusals(endpoint, field, reason, int(count)) for endpoint, field, reason, count in rows]

    def _read(self, table: "Table", query: "Select[Any]", order: Sequence[str]) -> "Iterator[pd.DataFrame]":
        """Read page by page, each in a transaction of its own: a long one would keep the store from tidying up."""
        from sqlalchemy import tuple_

        keys = [table.c[name] for name in order]
        with self._connect() as connection:
            if not _is_migrated(connection, table):
                yield as_frame([], query)
                return
            last: Sequence[Any] | None = None
            while True:
                rest = query
                if last is not None:
                    rest = query.where(tuple_(*keys) > tuple_(*last, types=[key.type for key in keys]))
                with connection.begin():
                    page = connection.execute(rest.order_by(*keys).limit(self.rows_at_once)).mappings().all()
                if page or last is None:
                    yield as_frame(page, query)
                if len(page) < self.rows_at_once:
                    return
                last = [page[-1][key.name] for key in keys]

    def _rows(self, table: "Table", query: "Select[Any]") -> Iterator[Any]:
        """Read in one transaction; nothing where the table is not there yet."""
        with self._reading(table) as connection:
            if connection:
                yield from connection.execution_options(yield_per=self.rows_at_once).execute(query)

    @contextmanager
    def _reading(self, table: "Table") -> "Iterator[Connection | None]":
        """Open a transaction; none where the table is not there yet."""
        with self._connect() as connection:
            if not _is_migrated(connection, table):
                yield None
                return
            with connection.begin():
                yield connection

    @contextmanager
    def _writing(self) -> "Iterator[Connection]":
        from resources.predictions.tables import migrate

        with self._connect() as connection:
            migrate(connection.engine)
            with connection.begin():
                yield connection

    @contextmanager
    def _connect(self) -> "Iterator[Connection]":
        from resources.predictions.tables import open_store

        url = self.url  # a variable's name until Dagster has prepared the resource for a run
        engine = open_store(url.get_value() or "" if isinstance(url, dg.EnvVar) else url)
        try:
            with engine.connect() as connection:
                yield connection
        finally:
            engine.dispose()


def _within(column: "ColumnElement[datetime]", start: datetime, end: datetime) -> "ColumnElement[bool]":
    from sqlalchemy import and_

    return and_(column >= start, column < end)


def _is_migrated(connection: "Connection", table: "Table") -> bool:
    """Return whether there is the table; one that lacks columns is refused, for only the service migrates."""
    from sqlalchemy import inspect
    from sqlalchemy.exc import InvalidRequestError

    with connection.begin():
        inspector = inspect(connection)
        if not inspector.has_table(table.name):
            return False
        found = {column["name"] for column in inspector.get_columns(table.name)}
    missing = [column.name for column in table.columns if column.name not in found]
    if missing:
        raise InvalidRequestError(
            f"the table {table.name} is of another release, it has no column {', '.join(missing)}; "
            "the service brings an older store to its own form when it starts"
        )
    return True
