"""Answers that are drawn at random, for a person to say whether they are reasonable."""

from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from housing_assets.command_line.days import read_day
from housing_assets.command_line.environment import prediction_store_of, read_settings
from housing_assets.command_line.faults import CommandError

if TYPE_CHECKING:
    from sqlalchemy import RowMapping

    from resources.predictions.answer_reviews import Review
    from resources.predictions.store import PredictionStore

review_app = typer.Typer(no_args_is_help=True)

SHOWN_AT_ONCE = 1_000
"""Answers that are read together: of a busy day a small share is many, and a query takes only so many ids."""


def _as_id(text: str) -> str:
    """Return an id as it is stored, however it is written; what is none is told as it was given."""
    try:
        return str(UUID(text))
    except ValueError:
        return text


Id = Annotated[
    str, typer.Argument(help="Id of the answer, as `housing review list` shows it.", metavar="ID", callback=_as_id)
]


@review_app.callback()
def review() -> None:
    """Review answers of production that are drawn at random.

    A share of them (HOUSING_REVIEW_SHARE) is drawn by their ids alone, so that no reviewer chooses what is looked at.
    """


@review_app.command("list")
def list_drawn(
    day: Annotated[
        str, typer.Argument(help="Day of the answers (UTC), such as 2026-03-01, or yesterday.")
    ] = "yesterday",
) -> None:
    """List the answers of a day that were drawn, each with its newest verdict."""
    store, of = prediction_store_of(read_settings()), read_day(day)
    drawn = store.drawn_for_review(of)
    if not drawn:
        print(f"no answer of {of} was drawn")
    for first in range(0, len(drawn), SHOWN_AT_ONCE):
        some = drawn[first : first + SHOWN_AT_ONCE]
        answers, reviews = store.answers(some), store.reviews(some)
        for one in some:
            if one in answers:  # not erased meanwhile
                print(f"{one}  {_told(answers[one])}  {_found(reviews.get(one))}")


@review_app.command()
def show(prediction_id: Id) -> None:
    """Show an answer: the request, what was answered, and the newest verdict."""
    import json

    store = prediction_store_of(read_settings())
    answer = _answer(store, prediction_id)
    told = {name: answer[name] for name in ("predicted_at", "model_version", "price_category")}
    told |= {name: json.loads(answer[name]) for name in ("probabilities", "estimate", "listing") if answer[name]}
    print(json.dumps(told, indent=2, ensure_ascii=False, default=str))
    print(_found(store.reviews([prediction_id]).get(prediction_id)))


@review_app.command()
def judge(
    prediction_id: Id,
    reasonable: Annotated[bool, typer.Option("--reasonable/--unreasonable", help="Whether the answer is reasonable.")],
    note: Annotated[str, typer.Option(help="Why you think so; needed if the answer is unreasonable.")] = "",
    by: Annotated[str, typer.Option(help="Your name. [default: the user of this machine]", show_default=False)] = "",
) -> None:
    """Say whether an answer that was drawn is reasonable.

    An answer may be judged again, also where the share drawn is smaller by now: the newest verdict counts, and all are
    kept.
    """
    from getpass import getuser

    from resources.predictions.answer_reviews import Review, is_drawn

    store = prediction_store_of(read_settings())
    answer = _answer(store, prediction_id)
    of = answer["predicted_at"].date()
    if not is_drawn(prediction_id, store.review_share) and not store.reviews([prediction_id]):
        raise CommandError(
            f"{prediction_id} was not drawn: only a random sample is reviewed, housing review list {of} shows it"
        )
    if not reasonable and not note.strip():
        raise CommandError("the note is empty: say in a few words what is unreasonable, for those who read it later")
    found = Review(prediction_id, answer["model_version"] or "", reasonable, note.strip(), by or getuser())
    store.review(found)
    print(f"{prediction_id}  {_told(answer)}  {_found(found)}")


def _answer(store: "PredictionStore", prediction_id: str) -> "RowMapping":
    answer = store.answers([prediction_id]).get(prediction_id)
    if answer is None:
        raise CommandError(f"the prediction store has no answer {prediction_id}: housing review list shows those drawn")
    return answer


def _told(answer: "RowMapping") -> str:
    import json

    estimate = json.loads(answer["estimate"]) if answer["estimate"] else None
    amount = f", {estimate['price']:,.0f} {estimate['currency']}" if estimate else ""
    return f"{answer['price_category']}{amount}"


def _found(review: "Review | None") -> str:
    if review is None:
        return "not reviewed yet"
    verdict = "reasonable" if review.reasonable else "unreasonable"
    return f"{verdict}{f': {review.note}' if review.note else ''} ({review.by}, {review.at:%Y-%m-%d %H:%M} UTC)"
