"""The monitoring from the prediction store to the checks: real stores, real registry, real runs."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from pyarrow import parquet

from housing_assets.inference.artifact import ModelArtifact
from housing_assets.monitoring.production.frames import FILE as FRAMES
from housing_assets.monitoring.production.predictions import REQUEST_KEY
from resources import retries
from resources.predictions.answer_reviews import Review
from resources.predictions.day_decisions import State
from resources.predictions.store import PredictionStore
from resources.settings import Settings
from resources.verdicts import Verdict
from tests.monitoring.watched import Watched, failed, told

pytestmark = pytest.mark.acceptance

ROOT = Path(__file__).parents[2]

CHECKS = {
    "input_not_broken",
    "no_held_day_learned",
    "psi_within_limit",
    "prediction_drift_within_limit",
    "no_unseen_categories",
    "cardinality_growth_within_limit",
    "missing_values_within_limit",
    "features_valid",
    "performance_held",
    "performance_held_everywhere",
    "estimates_held",
}

UNWINDOWED = {"performance_held", "performance_held_everywhere", "estimates_held", "no_held_day_learned"}
"""Checks that do not need requests of the day."""

KEYS = {
    "partition": str,
    "report_id": str,
    "model_version": str,
    "verdict": str,
    "offending_columns": str,
    "counts_toward_retraining": bool,
    "severe": bool,
    "insufficient": bool,
    "value": float,
    "threshold": float,
    "p": float,
    "q": float,
    "in_production": bool,
    "worse_than_replaced": bool,
    "replaced_version": str,
    "broken": bool,
    "cause": str,
}
"""Metadata that every evaluation has, and its type: sensors read it."""

ORDINARY, QUIET, UNREGISTERED = date(2026, 3, 1), date(2026, 3, 2), date(2026, 3, 3)

SHIFTS: dict[str, tuple[dict[str, Any], set[str]]] = {
    "one district": ({"only_district": "kadikoy"}, {"psi_within_limit", "prediction_drift_within_limit"}),
    "unseen districts": ({"new_district_share": 0.5}, {"psi_within_limit", "no_unseen_categories"}),
}
"""What is done to a day of 2,000 requests as the world may do it, and the checks that must fail."""

BROKEN: dict[str, tuple[dict[str, Any], set[str], str]] = {
    "a unit error": (
        {"gross_area_factor": 10},
        {"psi_within_limit"},
        "gross_m2 looks multiplied by 10: divided by it, its distribution is the reference's",
    ),
    "missing": ({"missing": {"HeatingType": 0.6}}, {"missing_values_within_limit"}, "heating_type is missing in "),
    "missing twice": (
        {"missing": {"HeatingType": 0.6, "BuildStatus": 0.6}},
        {"missing_values_within_limit", "features_valid"},
        "heating_type is missing in ",
    ),
}
"""What a broken feed does to it, the checks that must fail, and the cause."""

DAYS = {name: date(2026, 4, 1) + timedelta(days=40 * row) for row, name in enumerate([*SHIFTS, *BROKEN])}


@pytest.fixture(scope="module")
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory, instance: dg.DagsterInstance, artifact: ModelArtifact) -> Watched:
    """Give a platform with a version in production, an ordinary day, and a day for each shift."""
    platform = Watched.on(tmp_path_factory.mktemp("watched"), instance)
    platform.promote(artifact)
    platform.answer(artifact, ORDINARY, 2_000, seed=11, labelled=True)
    platform.answer(artifact, UNREGISTERED, 300, seed=12, version=99)
    platform.answer(artifact, UNREGISTERED, 300, seed=13, tier="rule")
    for seed, (name, (shift, *_)) in enumerate([*SHIFTS.items(), *BROKEN.items()]):
        platform.answer(artifact, DAYS[name], 2_000, seed=20 + seed, **shift)
    return platform


@pytest.fixture
def fresh(tmp_path: Path, instance: dg.DagsterInstance) -> Watched:
    """Give a platform that nobody has used yet."""
    return Watched.on(tmp_path, instance)


def test_an_ordinary_day_passes_every_check(watched: Watched) -> None:
    evaluations = watched.judge(ORDINARY)

    assert set(evaluations) == CHECKS
    assert failed(evaluations) == set()
    assert not any(told(one, "counts_toward_retraining") for one in evaluations.values())
    insufficient = {name for name, one in evaluations.items() if told(one, "insufficient")}
    assert insufficient == {"estimates_held"}  # its answers told no estimates


@pytest.mark.parametrize("name", SHIFTS)
def test_a_changed_world_is_not_taken_for_a_broken_feed(watched: Watched, name: str) -> None:
    evaluations = watched.judge(DAYS[name])

    assert evaluations["input_not_broken"].passed
    assert not any(told(one, "broken") for one in evaluations.values())


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_day_alerts_with_its_cause_and_never_counts_toward_retraining(watched: Watched, name: str) -> None:
    evaluations = watched.judge(DAYS[name])

    assert failed(evaluations) >= BROKEN[name][1] | {"input_not_broken"}
    intact = evaluations["input_not_broken"]
    assert intact.severity == dg.AssetCheckSeverity.ERROR
    assert BROKEN[name][2] in told(intact, "verdict")
    for one in evaluations.values():
        assert not told(one, "counts_toward_retraining")
        assert not told(one, "severe")
    assert all(BROKEN[name][2] in told(evaluations[check], "cause") for check in BROKEN[name][1])


@pytest.mark.parametrize("name", SHIFTS)
def test_a_shifted_day_fails_the_right_checks_and_calls_for_retraining(watched: Watched, name: str) -> None:
    evaluations = watched.judge(DAYS[name])

    assert failed(evaluations) >= SHIFTS[name][1]
    stability = evaluations["psi_within_limit"]
    assert stability.severity == dg.AssetCheckSeverity.ERROR
    assert told(stability, "counts_toward_retraining")
    assert told(stability, "value") > told(stability, "threshold") > 0
    assert told(stability, "q") < 0.05
    assert told(stability, "offending_columns")
    alerting = [one for name, one in evaluations.items() if name.startswith(("missing", "cardinality"))]
    assert not any(told(one, "counts_toward_retraining") for one in alerting)
    assert {one.severity for one in alerting} == {dg.AssetCheckSeverity.WARN}


@pytest.mark.parametrize("day", [ORDINARY, QUIET, DAYS["missing"]], ids=["ordinary", "quiet", "shifted"])
def test_the_metadata_of_a_check_keeps_its_keys_and_types_whatever_it_found(watched: Watched, day: date) -> None:
    for name, evaluation in watched.judge(day).items():
        found = {key: type(told(evaluation, key)) for key in KEYS}
        assert found == KEYS, name
        assert told(evaluation, "partition") == day.isoformat()
        assert Verdict.from_metadata(evaluation.metadata) is not None
        if "findings" in evaluation.metadata:
            assert len(evaluation.metadata["findings"].records) <= 20  # type: ignore[union-attr]


def test_a_day_without_traffic_is_insufficient_and_fails_nothing(watched: Watched) -> None:
    evaluations = watched.judge(QUIET)

    assert failed(evaluations) == set()
    assert all(told(one, "insufficient") for name, one in evaluations.items() if name not in UNWINDOWED)
    assert told(evaluations["psi_within_limit"], "verdict") == "Not judged: version 1 answered nothing."


def test_answers_of_no_registered_version_are_counted_and_not_judged(watched: Watched) -> None:
    result = watched.materialize(UNREGISTERED)

    assert result.success
    (profiled,) = result.asset_materializations_for_node("production_profile")
    assert profiled.metadata["unattributed_rows"].value == watched_rows(result)
    assert all(one.passed for one in result.get_asset_check_evaluations())


def watched_rows(result: dg.ExecuteInProcessResult) -> int:
    (read,) = result.asset_materializations_for_node("production_predictions")
    return int(read.metadata["dagster/row_count"].value)  # type: ignore[arg-type]


@pytest.mark.trial
def test_a_day_that_is_materialized_again_is_the_same(watched: Watched) -> None:
    files = [("production_profile", "1.json"), ("drift_report", "drift_report.json")]
    watched.judge(ORDINARY)
    before = [(watched.value(asset, ORDINARY) / name).read_bytes() for asset, name in files]

    watched.judge(ORDINARY)

    assert [(watched.value(asset, ORDINARY) / name).read_bytes() for asset, name in files] == before


@pytest.mark.trial
def test_thresholds_are_those_of_the_run(watched: Watched) -> None:
    day = DAYS["a unit error"]

    assert "psi_within_limit" not in failed(watched.judge(day, psi_alert=50.0, ks_alert=1.0))
    few = watched.judge(day, min_rows=100_000, broken_min_rows=100_000)
    assert all(told(one, "insufficient") for name, one in few.items() if name != "no_held_day_learned")


def test_a_threshold_out_of_bounds_is_refused_before_the_run(watched: Watched) -> None:
    with pytest.raises(dg.DagsterInvalidConfigError):
        watched.materialize(ORDINARY, ["drift_report"], {"drift_report": {"psi_alrt": 1.0}})
    assert not watched.materialize(ORDINARY, ["drift_report"], {"drift_report": {"ks_alert": 3.0}}).success


@pytest.mark.pictures
def test_the_lineage_page_shows_verdict_pictures_and_the_way_to_the_page(watched: Watched) -> None:
    result = watched.materialize(DAYS["unseen districts"])

    (shown,) = result.asset_materializations_for_node("drift_report")
    assert "district" in str(shown.metadata["summary"].value)
    for name in ("psi_by_column", "worst_columns", "prediction_mix"):
        assert "data:image/png;base64,iVBOR" in str(shown.metadata[name].value)
    page = Path(str(shown.metadata["drift_report_page"].value))
    assert page.read_text().startswith("<!doctype html>")


def test_no_address_is_shown_of_a_day(watched: Watched) -> None:
    result = watched.materialize(DAYS["unseen districts"])

    page = (watched.value("drift_report", DAYS["unseen districts"]) / "drift_report_page.html").read_text()
    (report,) = result.asset_materializations_for_node("drift_report")
    assert "Anasayfa" not in page
    assert "Anasayfa" not in str(report.metadata["findings"].value)


@pytest.mark.trial
def test_prices_that_no_longer_follow_from_listings_are_found_by_the_labels_of_one_day(
    fresh: Watched, artifact: ModelArtifact
) -> None:
    fresh.promote(artifact)
    for day in range(1, 4):
        fresh.answer(artifact, date(2026, 5, day), 700, seed=30 + day, labelled=True)
    fresh.answer(artifact, date(2026, 5, 4), 2_000, seed=34, labelled=True, concept_change=1.0)

    assert failed(fresh.judge(date(2026, 5, 3))) == set()
    evaluations = fresh.judge(date(2026, 5, 4))

    assert failed(evaluations) == {"performance_held", "performance_held_everywhere"}
    parts = evaluations["performance_held_everywhere"]
    assert parts.severity == dg.AssetCheckSeverity.WARN
    assert not told(parts, "counts_toward_retraining")
    assert "recall" in told(parts, "verdict")
    held = evaluations["performance_held"]
    assert told(held, "counts_toward_retraining")
    assert not told(held, "worse_than_replaced")
    assert held.severity == dg.AssetCheckSeverity.ERROR
    report = json.loads((fresh.value("performance_report", date(2026, 5, 4)) / "performance_report.json").read_text())
    assert report["estimate_without_labels"]["accuracy"] > report["report"]["accuracy"] + 0.1  # it is blind to this


def test_one_bad_day_is_one_finding(fresh: Watched, artifact: ModelArtifact) -> None:
    """Its rows were the newest labelled ones on each day after it, until enough others had come in."""
    fresh.promote(artifact)
    fresh.answer(artifact, date(2026, 5, 4), 1_000, seed=34, labelled=True, concept_change=1.0)
    fresh.answer(artifact, date(2026, 5, 5), 300, seed=35)
    fresh.answer(artifact, date(2026, 5, 6), 400, seed=36, labelled=True)

    held = {day: fresh.judge(date(2026, 5, day))["performance_held"] for day in (4, 5, 6)}

    assert [told(held[day], "counts_toward_retraining") for day in (4, 5, 6)] == [True, False, False]
    assert [told(held[day], "insufficient") for day in (4, 5, 6)] == [False, True, False]
    assert "0 labelled rows that no window has judged" in told(held[5], "verdict")
    assert held[6].passed


def test_a_feed_that_is_stuck_is_held_until_a_person_says_that_the_same_homes_are_asked_about_each_night(
    fresh: Watched, artifact: ModelArtifact
) -> None:
    fresh.promote(artifact)
    store = PredictionStore(url=fresh.settings.prediction_store_url)
    states = []
    for day in (date(2026, 5, 4), date(2026, 5, 5), date(2026, 5, 6)):
        fresh.answer(artifact, day, 300, seed=34)
        assert fresh.materialize(day, ["production_predictions", "production_profile", "input_report"]).success
        decision = store.days().newest[day]
        states.append((decision.state, decision.causes))
        if decision.state is State.HELD:
            assert decision.reason.startswith("100% of the different rows are those of 2026-05-04")
            store.decide(replace(decision, state=State.RELEASED, by="ayse", at=datetime.now(UTC)))

    assert states == [(State.CLEAN, ()), (State.HELD, ("rows of another day",)), (State.CLEAN, ())]


def test_a_day_that_was_stored_without_the_keys_of_its_requests_is_refused_by_name(
    fresh: Watched, artifact: ModelArtifact
) -> None:
    day = date(2026, 5, 1)
    fresh.promote(artifact)
    fresh.answer(artifact, day, 50, seed=1)
    assert fresh.materialize(day, ["production_predictions"]).success
    stored = fresh.value("production_predictions", day) / FRAMES
    parquet.write_table(parquet.read_table(stored).drop_columns([REQUEST_KEY]), stored)

    result = fresh.materialize(day, ["production_profile"])

    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert f"materialize production_predictions of {day} again" in str(failure.event_specific_data)


def test_labels_that_come_later_are_not_known_on_the_day(fresh: Watched, artifact: ModelArtifact) -> None:
    fresh.promote(artifact)
    fresh.answer(artifact, date(2026, 5, 1), 300, seed=1)
    fresh.answer(artifact, date(2026, 5, 2), 300, seed=2, labelled=True)

    assert told(fresh.judge(date(2026, 5, 1))["performance_held"], "insufficient")
    assert not told(fresh.judge(date(2026, 5, 2))["performance_held"], "insufficient")


def wrong(model: ModelArtifact) -> ModelArtifact:
    """Give a model that answers "high" where the other answers "low", and knows it for right."""
    swapped = model.forest.distributions[:, ::-1].copy()
    return replace(model, forest=replace(model.forest, distributions=swapped), golden=())


@pytest.mark.trial
def test_a_version_that_is_worse_than_the_one_it_replaced_says_so(fresh: Watched, artifact: ModelArtifact) -> None:
    fresh.promote(artifact)
    worse = wrong(artifact)
    second = fresh.promote(worse)
    fresh.answer(worse, date(2026, 6, 1), 500, seed=3, labelled=True, version=second.number)

    held = fresh.judge(date(2026, 6, 1))["performance_held"]

    assert not held.passed
    assert told(held, "worse_than_replaced")
    assert (told(held, "model_version"), told(held, "replaced_version")) == ("2", "1")
    assert "worse than version 1" in told(held, "verdict")


@pytest.mark.trial
def test_a_version_that_is_better_than_the_one_it_replaced_is_kept(fresh: Watched, artifact: ModelArtifact) -> None:
    fresh.promote(wrong(artifact))
    second = fresh.promote(artifact)
    fresh.answer(artifact, date(2026, 6, 1), 500, seed=3, labelled=True, version=second.number)

    held = fresh.judge(date(2026, 6, 1))["performance_held"]

    assert held.passed
    assert not told(held, "worse_than_replaced")
    store = PredictionStore(url=fresh.settings.prediction_store_url, review_share=1)
    drawn = store.drawn_for_review(date(2026, 6, 1))
    for number, prediction_id in enumerate(drawn[:2]):
        store.review(Review(prediction_id, str(second.number), reasonable=bool(number), note="why", by="ayse"))
    every = replace(fresh, settings=fresh.settings.model_copy(update={"review_share": 1.0}))
    result = every.materialize(date(2026, 6, 1), ["performance_report"])
    (shown,) = result.asset_materializations_for_node("performance_report")
    counted = ("drawn_for_review", "left_to_review", "reviewed_of_version", "unreasonable_of_version")
    assert [shown.metadata[name].value for name in counted] == [len(drawn), len(drawn) - 2, 2, 1]
    assert len(drawn) > 400
    assert shown.metadata["against_replaced_baseline_accuracy"].value < shown.metadata["accuracy"].value  # type: ignore[operator]


@pytest.mark.trial
def test_what_was_found_of_a_replaced_version_is_history_and_calls_for_nothing(
    fresh: Watched, artifact: ModelArtifact
) -> None:
    day = date(2026, 6, 1)
    fresh.promote(artifact)
    fresh.answer(artifact, day, 2_000, seed=4, only_district="kadikoy")
    assert told(fresh.judge(day)["psi_within_limit"], "counts_toward_retraining")
    second = fresh.promote(artifact)

    stability = fresh.judge(day)["psi_within_limit"]
    assert not stability.passed
    assert not told(stability, "counts_toward_retraining")
    assert stability.severity == dg.AssetCheckSeverity.WARN
    assert told(stability, "model_version") == "1"

    fresh.answer(artifact, day, 250, seed=7, version=second.number)
    stability = fresh.judge(day)["psi_within_limit"]
    assert stability.passed
    assert told(stability, "model_version") == "2"


def test_without_a_version_in_production_nothing_is_judged_and_nothing_fails(fresh: Watched) -> None:
    evaluations = fresh.judge(date(2026, 6, 1))

    assert failed(evaluations) == set()
    judged = [one for name, one in evaluations.items() if name != "no_held_day_learned"]
    assert {told(one, "verdict") for one in judged} == {"Not judged: no version is in production."}


def test_a_version_without_a_reference_is_not_judged_and_named(fresh: Watched, artifact: ModelArtifact) -> None:
    fresh.promote(replace(artifact, reference=""))
    fresh.answer(artifact, date(2026, 6, 1), 300, seed=6)

    evaluations = fresh.judge(date(2026, 6, 1))

    assert failed(evaluations) == set()
    assert "version 1 has no reference" in told(evaluations["psi_within_limit"], "verdict")


def test_a_store_that_cannot_be_reached_is_tried_again_and_fails_clearly(
    tmp_path: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retries, "DELAYS", (0.1, 0.1))
    platform = Watched.on(tmp_path, instance)
    unreachable = Settings(
        storage=tmp_path,
        prediction_store="postgresql://bob:geheim@127.0.0.1:1/predictions",
        MLFLOW_TRACKING_URI=platform.settings.mlflow_uri,
    )

    result = replace(platform, settings=unreachable).materialize(date(2026, 6, 1), ["production_predictions"])

    assert sum(event.is_step_up_for_retry for event in result.all_events) == 2
    failure = next(event for event in result.all_events if event.is_step_failure)
    assert "the prediction store (HOUSING_PREDICTION_STORE) cannot be read" in str(failure.event_specific_data)
    assert "geheim" not in str(failure.event_specific_data)


def test_a_challenger_that_predicts_in_shadow_or_answers_is_compared_on_the_same_rows_and_nothing_follows(
    fresh: Watched, artifact: ModelArtifact
) -> None:
    day = date(2026, 6, 1)
    fresh.promote(wrong(artifact))
    challenger = fresh.stage(artifact)
    fresh.answer(wrong(artifact), day, 600, seed=3, labelled=True, shadow=(challenger.number, artifact))
    fresh.answer(artifact, day, 100, seed=4, labelled=True, version=challenger.number, tier="staging")

    result = fresh.materialize(day)

    (shown,) = result.asset_materializations_for_node("performance_report")
    assert str(shown.metadata["challenger"].value).startswith(
        "The challenger, version 2, does better than the champion on the same "
    )
    assert shown.metadata["challenger_version"].value == 2
    assert shown.metadata["challenger_accuracy"].value > 0.6 > shown.metadata["challenger_baseline_accuracy"].value
    report = json.loads((fresh.value("performance_report", day) / "performance_report.json").read_text())
    assert report["challenger"]["version"] == 2
    assert report["challenger"]["verdict"] == shown.metadata["challenger_verdict"].value == "better"
    answered = {one["version"]: one["rows"] for one in report["versions"]}
    assert answered.keys() == {1, 2}  # the challenger's share, which the champion answers again
    assert report["challenger"]["paired"]["rows"] == sum(answered.values())
    (held,) = [one for one in result.get_asset_check_evaluations() if one.check_name == "performance_held"]
    assert told(held, "model_version") == "1"
    assert not told(held, "worse_than_replaced")


def test_shadow_predictions_are_no_answers(fresh: Watched, artifact: ModelArtifact) -> None:
    day = date(2026, 6, 1)
    fresh.promote(artifact)
    worse = fresh.stage(wrong(artifact))
    answered = fresh.answer(artifact, day, 600, seed=3, labelled=True, shadow=(worse.number, wrong(artifact)))

    result = fresh.materialize(day)

    assert failed({one.check_name: one for one in result.get_asset_check_evaluations()}) == set()
    (judged,) = result.asset_materializations_for_node("drift_report")
    (labelled,) = result.asset_materializations_for_node("performance_report")
    assert judged.metadata["dagster/row_count"].value == answered
    assert labelled.metadata["dagster/row_count"].value <= answered
    assert "does worse than the champion" in str(labelled.metadata["challenger"].value)


def test_a_challenger_whose_categories_mean_something_else_is_not_compared(
    fresh: Watched, artifact: ModelArtifact
) -> None:
    day = date(2026, 6, 1)
    fresh.promote(artifact)
    edges = tuple(2 * edge for edge in artifact.labels.edges)
    other = fresh.stage(replace(artifact, labels=replace(artifact.labels, edges=edges)))
    fresh.answer(artifact, day, 300, seed=3, labelled=True, shadow=(other.number, artifact))

    (shown,) = fresh.materialize(day).asset_materializations_for_node("performance_report")

    told_of_it = "The challenger, version 2, is not judged: its categories mean something else."
    assert shown.metadata["challenger"].value == told_of_it
    assert "challenger_accuracy" not in shown.metadata


WINDOW_OF_THREE_DAYS = """
import json, sys
from datetime import date
from pathlib import Path
import dagster as dg
from dataclasses import replace
from housing_assets.monitoring.profiles.profile import Profile
from tests.monitoring.watched import Watched
from resources.predictions.day_decisions import State
from resources.predictions.store import PredictionStore
from resources.settings import Settings

def without_dues(profile):
    # as of a declaration that did not have the column yet
    return replace(profile, numbers={name: one for name, one in profile.numbers.items() if name != "dues"})

storage, uri, days = Path(sys.argv[1]), sys.argv[2], sys.argv[3:]
with dg.DagsterInstance.ephemeral() as instance:
    platform = Watched(storage, instance, Settings(storage=storage, MLFLOW_TRACKING_URI=uri))
    rows = []
    for day in days:
        result = platform.materialize(date.fromisoformat(day))
        (report,) = result.asset_materializations_for_node("drift_report")
        check = next(one for one in result.get_asset_check_evaluations() if one.check_name == "psi_within_limit")
        told = [report.metadata[name].value for name in ("dagster/row_count", "days", "days_not_judged")]
        rows.append([*told, check.metadata["first_day"].value])
        for profile in platform.value("production_profile", date(2026, 7, 2)).glob("*.json"):
            if day == "2026-07-04":
                profile.write_text(without_dues(Profile.from_json(profile.read_text())).to_json())
print(json.dumps(rows))
"""


@pytest.mark.trial
def test_a_window_is_the_days_that_are_there_and_the_first_one_is_shorter(
    fresh: Watched, artifact: ModelArtifact
) -> None:
    first = date(2026, 7, 1)
    fresh.promote(artifact)
    days = [first + timedelta(days=day) for day in range(4)]
    judged_again = days[3]
    rows = [fresh.answer(artifact, day, 250, seed=40 + number) for number, day in enumerate(days)]
    environment = {
        "HOUSING_MONITORING_START": first.isoformat(),
        "HOUSING_MONITORING_WINDOW_DAYS": "3",
        "PYTHONPATH": str(ROOT),
        "PATH": os.defpath,
    }
    command = [sys.executable, "-c", WINDOW_OF_THREE_DAYS, str(fresh.storage), fresh.settings.mlflow_uri]

    ended = subprocess.run(
        [*command, *map(str, [*days, judged_again])],
        env=environment,
        cwd=fresh.storage,
        capture_output=True,
        text=True,
        check=True,
    )

    judged, windows, left_out, first_days = zip(*json.loads(ended.stdout.splitlines()[-1]), strict=True)
    assert list(judged) == [rows[0], sum(rows[:2]), sum(rows[:3]), sum(rows[1:]), sum(rows[2:])]
    assert windows[3:] == ("2026-07-02, 2026-07-03, 2026-07-04", "2026-07-03, 2026-07-04")
    assert first_days == ("2026-07-01", "2026-07-01", "2026-07-01", "2026-07-02", "2026-07-03")
    assert not any(left_out[:4])
    assert "only one of them has ['dues']): housing judge 2026-07-02 profiles it anew" in left_out[4]


@pytest.mark.trial
@pytest.mark.parametrize("n_days", [3, 30])
def test_days_of_the_past_can_be_made_up_for(fresh: Watched, artifact: ModelArtifact, n_days: int) -> None:
    fresh.promote(artifact)
    days = [date(2026, 8, 1) + timedelta(days=day) for day in range(n_days)]
    for seed, day in enumerate(days):
        fresh.answer(artifact, day, 300, seed=100 + seed, labelled=True)

    evaluations = [fresh.judge(day) for day in days]

    assert [failed(each) for each in evaluations].count(set()) >= n_days - 1
    keys = fresh.instance.get_materialized_partitions(dg.AssetKey("performance_report"))
    assert {day.isoformat() for day in days} <= keys
