import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from housing_assets.features.split import held_out
from housing_assets.inference.artifact import ModelArtifact
from housing_assets.markets.istanbul import MARKET
from housing_assets.monitoring.drift.causes import DECIMAL, Scale, find_scale
from housing_assets.monitoring.drift.report import Status, judge_drift
from housing_assets.monitoring.profiles.numbers import PER_DECADE
from housing_assets.monitoring.profiles.reference import Reference
from housing_assets.monitoring.profiles.refused import ProfileRefused
from tests.monitoring.small_platform import Platform, ads

LISTINGS = ads(3_000, seed=70)

OLD = (Path(__file__).parent / "reference_of_schema_1.json").read_text(encoding="utf-8")
"""Of 300 synthetic ads, as the release wrote it that predicted low, medium and high only."""

OLD_CATEGORIES = ("low", "medium", "high")


@pytest.fixture(scope="module")
def small(artifact: ModelArtifact) -> Platform:
    return Platform(artifact, LISTINGS, LISTINGS[held_out(MARKET, artifact.labels, LISTINGS)])


@pytest.fixture(scope="module")
def reference(small: Platform) -> Reference:
    return Reference.of(MARKET, LISTINGS, small.truth(small.held_out), small.predict(small.held_out))


def test_the_reference_is_of_all_listings_and_of_the_predictions_for_those_held_out(
    reference: Reference, small: Platform
) -> None:
    assert reference.profile.rows == len(LISTINGS)
    assert reference.profile.predictions.rows == reference.holdout.rows == len(small.held_out)
    assert "price" not in reference.profile.numbers


def test_the_holdout_is_judged_by_its_true_prices(reference: Reference, small: Platform) -> None:
    right = small.predict(small.held_out).argmax(axis=1) == small.truth(small.held_out)

    assert reference.holdout.accuracy == pytest.approx(right.mean())


def test_a_reference_reads_back_what_it_wrote(reference: Reference, tmp_path: Path) -> None:
    reference.save(tmp_path)

    assert Reference.load(tmp_path).to_json() == reference.to_json()


def test_segments_of_the_holdout_are_kept_where_the_listings_say_which_side_they_are_on(
    small: Platform, tmp_path: Path
) -> None:
    side = held_out(MARKET, small.artifact.labels, LISTINGS)
    truth, probabilities = small.truth(small.held_out), small.predict(small.held_out)
    found = Reference.of(MARKET, LISTINGS.assign(held_out=side), truth, probabilities)

    rows = small.held_out["district"].value_counts()
    kept = {value: int(counts.sum()) for value, counts in found.segments["district"].items()}
    assert kept == {value: count for value, count in rows.items() if count >= 20}
    of_one = (small.held_out["district"] == rows.index[0]).to_numpy()
    right = (truth == probabilities.argmax(axis=1))[of_one].sum()
    assert np.trace(found.segments["district"][rows.index[0]]) == right
    found.save(tmp_path)
    again = Reference.load(tmp_path)
    assert again.to_json() == found.to_json()
    assert again.segments["district"][rows.index[0]].tolist() == found.segments["district"][rows.index[0]].tolist()


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"profile": "{}"}', '{"profile": "{}", "holdout": []}'])
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(ProfileRefused):
        Reference.from_json(text)
    with pytest.raises(ProfileRefused):
        Reference.from_old_json(text, OLD_CATEGORIES)


def test_a_damaged_reference_is_refused(reference: Reference) -> None:
    stored = json.loads(reference.to_json())
    stored["profile"] = stored["profile"].replace('"rows":3000', '"rows":3001')

    with pytest.raises(ProfileRefused, match="checksum"):
        Reference.from_json(json.dumps(stored))


def test_an_evaluation_of_other_listings_is_refused(small: Platform) -> None:
    with pytest.raises(ValueError, match=r"shape"):
        Reference.of(MARKET, LISTINGS, small.truth(small.held_out)[1:], small.predict(small.held_out))


def test_ordinary_rows_do_not_differ_from_a_stored_reference(reference: Reference, small: Platform) -> None:
    read_back = Reference.from_json(reference.to_json())
    window = small.profile(ads(2_000, seed=71))

    assert judge_drift(read_back.profile, window).status in (Status.PASSED, Status.WARNED)


def test_a_reference_of_before_it_named_categories_is_refused_with_the_command_that_rewrites_it() -> None:
    with pytest.raises(ProfileRefused, match="housing versions upgrade rewrites it"):
        Reference.from_json(OLD)


def test_an_old_reference_is_read_with_the_categories_that_its_release_predicted() -> None:
    found = Reference.from_old_json(OLD, OLD_CATEGORIES)

    assert (found.profile.rows, found.holdout.rows) == (300, 59)
    assert found.profile.predictions.categories == found.holdout.categories == OLD_CATEGORIES
    assert found.profile.predictions.counts.tolist() == [32, 15, 12]
    assert found.holdout.accuracy == pytest.approx(21 / 59)
    inputs = {value.name for column in MARKET.inputs for value in column.values}
    assert set(found.profile.missing) == inputs
    assert Reference.from_json(found.to_json()).to_json() == found.to_json()


def test_an_upgraded_reference_judges_todays_listings() -> None:
    old = Reference.from_old_json(OLD, OLD_CATEGORIES).profile
    listings = ads(1_000, seed=72)
    edges = {name: number.edges for name, number in old.numbers.items()}
    window = type(old).of(MARKET, listings, old.predictions, edges, as_of=np.datetime64("2022-03-04"))

    assert not judge_drift(old, window).counts_toward_retraining


def test_an_old_reference_of_another_number_of_categories_or_damaged_is_refused() -> None:
    with pytest.raises(ProfileRefused, match="3 categories: expected 2"):
        Reference.from_old_json(OLD, ("cheap", "dear"))
    with pytest.raises(ProfileRefused, match="checksum"):
        Reference.from_old_json(OLD.replace('\\"rows\\":300', '\\"rows\\":301'), OLD_CATEGORIES)


def as_of_schema_2(profile: str) -> str:
    """Give a profile as the release before wrote it, without magnitudes and whole rows."""
    stored = json.loads(profile)["profile"]
    del stored["listings"], stored["blocks"]
    for number in [*stored["numbers"].values(), *stored["lags"].values()]:
        del number["magnitudes"]
    body = json.dumps(stored, separators=(",", ":"), sort_keys=True)
    return f'{{"schema":2,"sha256":"{hashlib.sha256(body.encode()).hexdigest()}","profile":{body}}}'


def test_a_reference_without_magnitudes_takes_them_from_its_bins(reference: Reference) -> None:
    stored = json.loads(reference.to_json())
    del stored["prices"]

    found = Reference.from_json(json.dumps(stored | {"profile": as_of_schema_2(stored["profile"])}))

    assert found.prices is None
    areas, exact = (one.profile.numbers["gross_m2"].magnitudes for one in (found, reference))
    assert sum(areas.values()) == sum(exact.values())
    assert find_scale(areas, {one + PER_DECADE: many for one, many in exact.items()}, DECIMAL) == Scale(10.0, 1.0, "")


def test_a_new_reference_is_no_old_one(reference: Reference) -> None:
    with pytest.raises(ProfileRefused, match="schema is 4: expected 1"):
        Reference.from_old_json(reference.to_json(), OLD_CATEGORIES)
