"""Verdicts: what a check stores is what a sensor reads, whichever release stored it."""

from dataclasses import replace
from typing import Any

import dagster as dg
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.verdicts import Verdict

VERDICT = Verdict(
    partition="2026-03-01",
    report_id="a1b2",
    model_version=7,
    in_production=False,
    insufficient=False,
    counts_toward_retraining=True,
    severe=True,
    summary="Beyond the limit: District: psi 0.9, limit 0.25.",
    columns=("District", "HeatingType"),
    value=0.9,
    threshold=0.25,
    p=0.001,
    q=0.01,
    replaced_version=6,
    worse_than_replaced=True,
)

FORMER_DRIFT = {
    "partition": "2026-02-01",
    "report_id": "ffff",
    "model_version": "3",
    "in_production": True,
    "verdict": "Within the limits, 13 compared.",
    "counts_toward_retraining": False,
    "severe": False,
    "insufficient": False,
    "offending_columns": "",
    "value": 0.01,
    "threshold": 0.25,
    "p": 0.4,
    "q": 0.9,
}
"""What the former release stored of a drift report, without its table: it did not compare with the replaced version."""

names = st.text(st.characters(exclude_characters=", ", exclude_categories=["Cs"]), min_size=1)


@given(
    st.builds(
        Verdict,
        partition=names,
        report_id=st.text(),
        model_version=st.integers(0, 10**6),
        replaced_version=st.integers(0, 10**6),
        columns=st.lists(names).map(tuple),
        value=st.floats(allow_nan=False),
        threshold=st.floats(allow_nan=False),
        p=st.floats(0, 1),
        q=st.floats(0, 1),
    )
)
def test_a_verdict_reads_back_as_it_was_stored(verdict: Verdict) -> None:
    assert Verdict.from_metadata(verdict.to_metadata()) == verdict


def test_dagster_stores_it_and_gives_it_back() -> None:
    result = dg.AssetCheckResult(passed=False, metadata=VERDICT.to_metadata())
    assert Verdict.from_metadata(result.metadata) == VERDICT


def test_the_keys_and_their_types_never_change() -> None:
    assert {key: type(value) for key, value in VERDICT.to_metadata().items()} == {
        "partition": str,
        "report_id": str,
        "model_version": str,
        "in_production": bool,
        "verdict": str,
        "counts_toward_retraining": bool,
        "severe": bool,
        "insufficient": bool,
        "offending_columns": str,
        "value": float,
        "threshold": float,
        "p": float,
        "q": float,
        "worse_than_replaced": bool,
        "replaced_version": str,
        "broken": bool,
        "cause": str,
        "first_day": str,
    }


def test_what_numpy_computed_is_stored_with_the_same_types() -> None:
    computed = replace(VERDICT, value=np.float32(0.5), severe=np.bool_(True), p=1, worse_than_replaced=np.bool_(False))
    assert {k: type(v) for k, v in computed.to_metadata().items()} == {
        k: type(v) for k, v in VERDICT.to_metadata().items()
    }


def test_no_version_is_empty_text() -> None:
    stored = replace(VERDICT, model_version=0, replaced_version=0).to_metadata()
    assert stored["model_version"] == stored["replaced_version"] == ""


def test_an_evaluation_of_the_former_release_has_the_defaults_of_what_it_lacks() -> None:
    assert Verdict.from_metadata(FORMER_DRIFT) == Verdict(
        partition="2026-02-01",
        report_id="ffff",
        model_version=3,
        in_production=True,
        insufficient=False,
        counts_toward_retraining=False,
        severe=False,
        summary="Within the limits, 13 compared.",
        value=0.01,
        threshold=0.25,
        p=0.4,
        q=0.9,
    )


def test_what_is_not_there_or_of_another_type_is_the_default_if_no_decision_rests_on_it() -> None:
    flags = {"partition": "2026-02-01", "insufficient": True, "counts_toward_retraining": False, "severe": False}
    bare = Verdict.from_metadata(flags)
    assert bare == Verdict("2026-02-01", "", 0, True, True, "")
    garbled = {"model_version": "seven", "value": "much", "p": True, "in_production": "yes", "verdict": 3}
    assert Verdict.from_metadata({**flags, **garbled, "replaced_version": "²"}) == bare


@pytest.mark.parametrize("missing", ["partition", "insufficient", "counts_toward_retraining", "severe"])
@pytest.mark.parametrize("instead", [None, "", "true", 1, {"true": True}])
def test_without_what_a_decision_rests_on_there_is_no_verdict(missing: str, instead: Any) -> None:
    if missing == "partition" and instead == "true":
        instead = 20260201
    stored = VERDICT.to_metadata()
    assert Verdict.from_metadata({**stored, missing: instead}) is None
    del stored[missing]
    assert Verdict.from_metadata(stored) is None


def test_an_empty_evaluation_has_no_verdict() -> None:
    assert Verdict.from_metadata({}) is None
