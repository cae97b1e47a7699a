"""What a fault did to the service: whether every request was answered, by one version each, and nothing was lost."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from itertools import pairwise
from pathlib import Path
from typing import Any

from sqlalchemy import select

from resources.predictions.tables import PREDICTIONS, open_store
from tests.bento_service.breaking import health
from tests.bento_service.load import Answer, Exchange, Load
from tests.bento_service.models.registries import RegisteredModel, Registry, wait_until
from tests.bento_service.serving import Service

CALM = 1.0
"""Seconds of load before a fault, and after it."""

Probabilities = Mapping[tuple[str, str], Sequence[Mapping[str, float]]]
"""What each version gives each listing, by tier and version."""


@dataclass(frozen=True)
class Outcome:
    """A row of the table.

    Attributes
    ----------
    trial : str
    sent : int
        Requests; those that were sent again count once.
    answered : int
        Those with a complete answer: status 200, or OK.
    sent_again : int
        Those whose connection was lost before the answer came.
    told_to_wait : int
        Those that were first answered 503 with a time to retry (gRPC: UNAVAILABLE).
    answered_by : str
        Tiers and versions, in the order in which they first answered.
    longest_gap_ms : int
        The longest time in which nothing was answered, though requests were on their way.
    slowest_ms : int
        The longest time from a request to its answer, sending it again included.
    lost : int
        Predictions that were answered and are not in the store, or otherwise than answered.
    mixed : int
        Answers of several versions, or with other probabilities than their version gives the listing.
    never_told : int
        Predictions in the store whose answer was lost with its connection.
    """

    trial: str
    sent: int
    answered: int
    sent_again: int
    told_to_wait: int
    answered_by: str
    longest_gap_ms: int
    slowest_ms: int
    lost: int
    mixed: int
    never_told: int


@dataclass(frozen=True)
class Trials:
    """What trials share.

    Attributes
    ----------
    registry : Registry
    versions : RegisteredModel
        In that registry.
    baked : Path
        Folder of the model that is served where the registry has none.
    listings : sequence of mappings
        What is asked about.
    expected : mapping
        What each version gives each of them.
    outcomes : list of Outcome
        Of the trials so far.
    """

    registry: Registry
    versions: RegisteredModel
    baked: Path
    listings: Sequence[Mapping[str, Any]]
    expected: Probabilities
    outcomes: list[Outcome]

    def settings(self, **more: object) -> dict[str, str]:
        """Return the environment of a service that follows the registry closely; what it does not name is as ever."""
        given = {"refresh_seconds": 0.2, "breaker_seconds": 1, "model_folder": self.baked} | more
        named = {f"HOUSING_{name.upper()}": str(value) for name, value in given.items()}
        return {"MLFLOW_TRACKING_URI": self.registry.url, **named}

    @contextmanager
    def load(self, service: Service, tier: str = "production") -> Iterator[Load]:
        """Put load on a service as soon as a tier answers, beginning and ending with some calm."""
        wait_until(lambda: health(service)["models"]["champion"]["tier"] == tier)
        with Load(self.listings, service) as load:
            load.keep_on(CALM)
            yield load
            load.keep_on(CALM)

    def judge(self, trial: str, load: Load, store_url: str, *further: Load) -> Outcome:
        """Compare what was answered with what is stored and with what each version predicts, and keep the outcome."""
        exchanges = [exchange for each in (load, *further) for exchange in each.exchanges]
        exchanges.sort(key=lambda exchange: exchange.ended)
        self.outcomes.append(judge(trial, exchanges, store_url, self.expected))
        return self.outcomes[-1]


def judge(trial: str, exchanges: Sequence[Exchange], store_url: str, expected: Probabilities) -> Outcome:
    """Compare what was answered with what is stored and with what each version predicts.

    Raises
    ------
    AssertionError
        If a request was not answered, an answered prediction is lost, or versions are mixed.
    """
    answered = {answer.prediction_id: answer for exchange in exchanges for answer in exchange.answers}
    stored = _read_store(store_url)
    ended = sorted([min(exchange.sent for exchange in exchanges), *(exchange.ended for exchange in exchanges)])
    outcome = Outcome(
        trial,
        len(exchanges),
        sum(len(exchange.answers) == len(exchange.asked) for exchange in exchanges),
        sum(exchange.lost_connections > 0 for exchange in exchanges),
        sum(exchange.refusals > 0 for exchange in exchanges),
        ", ".join(dict.fromkeys(f"{each.tier} {each.version}" for each in answered.values())),
        round(1e3 * max(later - earlier for earlier, later in pairwise(ended))),
        round(1e3 * max(exchange.ended - exchange.sent for exchange in exchanges)),
        sum(stored.get(prediction_id) != answer for prediction_id, answer in answered.items()),
        sum(_is_mixed(exchange, expected) for exchange in exchanges),
        len(stored.keys() - answered.keys()),
    )
    print(table([outcome]))
    failures = [exchange.failure for exchange in exchanges if exchange.failure is not None]
    assert outcome.answered == outcome.sent, failures[:3]
    assert len(answered) == sum(len(exchange.asked) for exchange in exchanges), "two answers have the same id"
    assert outcome.lost == outcome.mixed == 0
    assert outcome.never_told <= sum(each.lost_connections * len(each.asked) for each in exchanges)
    return outcome


def table(outcomes: Sequence[Outcome]) -> str:
    """Return the outcomes as Markdown."""
    names = [field.name for field in fields(Outcome)]
    rows = [[str(getattr(outcome, name)) for name in names] for outcome in outcomes]
    header = [name.replace("_ms", ", ms").replace("_", " ") for name in names]
    return "\n" + "\n".join(f"| {' | '.join(row)} |" for row in [header, ["---"] * len(names), *rows])


def _is_mixed(exchange: Exchange, expected: Probabilities) -> bool:
    versions = {(answer.tier, answer.version) for answer in exchange.answers}
    return len(versions) > 1 or any(
        expected[answer.tier, answer.version][number] != answer.probabilities
        for number, answer in zip(exchange.asked, exchange.answers, strict=False)
    )


def _read_store(url: str) -> dict[str, Answer]:
    """Return what the store holds, in the form of answers; its key keeps it from holding one of them twice."""
    columns = PREDICTIONS.c
    query = select(
        columns.prediction_id, columns.tier, columns.model_version, columns.price_category, columns.probabilities
    )
    engine = open_store(url)
    with engine.connect() as connection:
        found = {
            prediction_id: Answer(prediction_id, *answered, json.loads(probabilities))
            for prediction_id, *answered, probabilities in connection.execute(query)
        }
    engine.dispose()
    return found
