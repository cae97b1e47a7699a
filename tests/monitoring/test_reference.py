import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from housing_assets.features.bands import PriceBands
from housing_assets.listings.columns import TARGET
from housing_assets.monitoring.drift import Status, compare
from housing_assets.monitoring.profile import ProfileRefused
from housing_assets.monitoring.reference import Reference, name_predictions
from housing_assets.packaging.artifact import ModelArtifact
from tests.monitoring.production import Platform, ads


@dataclass(frozen=True)
class Judged:
    """An evaluation of the small model."""

    probabilities: np.ndarray
    forest_digest: str = "forest"
    fit_digest: str = "fit"


LISTINGS = ads(3_000, seed=70)


def judge(model: ModelArtifact, listings: pd.DataFrame) -> Judged:
    return Judged(model.probabilities(listings[model.bands.held_out(listings)]))


@pytest.fixture(scope="module")
def reference(artifact: ModelArtifact) -> Reference:
    return Reference.of(LISTINGS, artifact.bands, judge(artifact, LISTINGS))


def test_the_reference_is_of_all_listings_and_of_the_predictions_for_those_held_out(
    reference: Reference, artifact: ModelArtifact
) -> None:
    held_out = int(artifact.bands.held_out(LISTINGS).sum())

    assert reference.profile.rows == len(LISTINGS)
    assert reference.profile.predictions.rows == reference.holdout.rows == held_out
    assert TARGET not in reference.profile.numbers


def test_the_holdout_is_judged_by_its_true_prices(reference: Reference, artifact: ModelArtifact) -> None:
    held_out = LISTINGS[artifact.bands.held_out(LISTINGS)]
    right = artifact.probabilities(held_out).argmax(axis=1) == artifact.bands.labels(held_out[TARGET].to_numpy())

    assert reference.holdout.accuracy == pytest.approx(right.mean())


def test_a_reference_reads_back_what_it_wrote(reference: Reference, tmp_path: Path) -> None:
    reference.save(tmp_path)

    assert Reference.load(tmp_path).to_json() == reference.to_json()


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"profile": "{}"}'])
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(ProfileRefused):
        Reference.from_json(text)


def test_a_damaged_reference_is_refused(reference: Reference) -> None:
    stored = json.loads(reference.to_json())
    stored["profile"] = stored["profile"].replace('"rows":3000', '"rows":3001')

    with pytest.raises(ProfileRefused, match="checksum"):
        Reference.from_json(json.dumps(stored))


def test_an_evaluation_of_other_listings_is_refused(artifact: ModelArtifact) -> None:
    evaluation = judge(artifact, LISTINGS)

    with pytest.raises(ValueError, match="materialize crossed_features"):
        Reference.of(LISTINGS, artifact.bands, replace(evaluation, probabilities=evaluation.probabilities[1:]))


def test_another_holdout_is_another_reference(artifact: ModelArtifact, reference: Reference) -> None:
    bands: PriceBands = replace(artifact.bands, holdout_salt=artifact.bands.holdout_salt + 1)
    evaluation = Judged(artifact.probabilities(LISTINGS[bands.held_out(LISTINGS)]))

    assert Reference.of(LISTINGS, bands, evaluation).holdout.to_dict() != reference.holdout.to_dict()


def test_ordinary_rows_do_not_differ_from_a_stored_reference(reference: Reference, artifact: ModelArtifact) -> None:
    read_back = Reference.from_json(reference.to_json())
    platform = Platform(artifact, LISTINGS, LISTINGS)
    window = platform.profile(ads(2_000, seed=71))

    assert compare(read_back.profile, window).status in (Status.PASSED, Status.WARNED)


def test_predictions_are_named_as_the_store_names_them() -> None:
    named = name_predictions(np.array([[0.2, 0.5, 0.3]]))

    assert named.to_dict("records") == [
        {"price_category": "medium", "probability_low": 0.2, "probability_medium": 0.5, "probability_high": 0.3}
    ]
