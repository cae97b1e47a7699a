"""Reviews of answers: which are drawn to be looked at by a person, and what the person found.

An answer is drawn by a hash of its id alone, so that everybody draws the same, and an answer that is shipped late takes
no other's place. The service makes the ids when it answers, of the time and at random. Of a request with an idempotency
key it makes them of this key and the listing, by a hash without a secret (see ``bento_service.record_ids``): who sends
such keys can choose them so that none of the answers is drawn. The sample is random only among clients that do not.
A review is added and never changed; the newest of an answer counts.
"""

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from sqlalchemy import Connection


@dataclass(frozen=True)
class Review:
    """What a person found of an answer.

    Attributes
    ----------
    prediction_id : str
    model_version : str
        That answered; empty where none did, but the fallback rule.
    reasonable : bool
    note : str
        Why, in a sentence.
    by : str
    at : datetime
    """

    prediction_id: str
    model_version: str
    reasonable: bool
    note: str
    by: str
    at: datetime = field(default_factory=lambda: datetime.now(UTC))


class ReviewCounts(NamedTuple):
    """Answers that were reviewed, and those of them that were found unreasonable."""

    reviewed: int
    unreasonable: int


def is_drawn(prediction_id: str, share: float) -> bool:
    """Return whether an answer is of the random sample: by its id alone, whenever it is asked.

    Parameters
    ----------
    prediction_id : str
    share : float
        Of all answers, that the sample has on average; a larger sample has the smaller one in it.
    """
    drawn = int.from_bytes(hashlib.blake2b(prediction_id.encode(), digest_size=8).digest(), "big")
    return drawn < share * 2**64


def count(reviews: Iterable[Review]) -> dict[str, ReviewCounts]:
    """Return the counts by the version that answered."""
    counts: dict[str, ReviewCounts] = {}
    for review in reviews:
        known = counts.get(review.model_version, ReviewCounts(0, 0))
        counts[review.model_version] = ReviewCounts(known.reviewed + 1, known.unreasonable + (not review.reasonable))
    return counts


def read_reviews(connection: "Connection", prediction_ids: Collection[str] | None = None) -> dict[str, Review]:
    """Read the newest review of each answer, of all of them or of some."""
    from sqlalchemy import select

    from resources.predictions.tables import ANSWER_REVIEWS

    columns = ANSWER_REVIEWS.c
    query = select(ANSWER_REVIEWS).order_by(columns.reviewed_at, columns.prediction_id)
    if prediction_ids is not None:
        query = query.where(columns.prediction_id.in_(sorted(prediction_ids)))
    return {
        row["prediction_id"]: Review(
            row["prediction_id"],
            row["model_version"],
            row["verdict"] == _VERDICTS[True],
            row["note"],
            row["reviewed_by"],
            row["reviewed_at"],
        )
        for row in connection.execute(query).mappings()
    }


def write_review(connection: "Connection", review: Review) -> None:
    """Add a review."""
    from sqlalchemy import insert

    from resources.predictions.tables import ANSWER_REVIEWS

    connection.execute(
        insert(ANSWER_REVIEWS).values(
            prediction_id=review.prediction_id,
            reviewed_at=review.at,
            model_version=review.model_version,
            verdict=_VERDICTS[review.reasonable],
            note=review.note,
            reviewed_by=review.by,
        )
    )


_VERDICTS = {True: "reasonable", False: "unreasonable"}
