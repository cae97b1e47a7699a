"""Explanations: what columns add sums to the answer, by either method; former models and damaged files tell why not."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from housing_assets.inference.artifact import ModelArtifact
from housing_assets.inference.estimate import Estimate
from housing_assets.inference.forest import COVERS, FlatForest, ForestDamaged
from housing_assets.inference.token_sources import FILE, TokenSources

LISTING = {"district": "kadikoy", "GrossSquareMeters": "120 m2", "NumberOfRooms": "3+1", "BuildingAge": "5-10"}
ENDLESS = 1e9


@pytest.mark.parametrize(("budget_ms", "method"), [(ENDLESS, "exact"), (0.0, "path")])
def test_base_and_contributions_sum_to_the_answer(artifact: ModelArtifact, budget_ms: float, method: str) -> None:
    for cells in (LISTING, *(row.cells for row in artifact.golden[:5])):
        found = artifact.explain_one(cells, budget_ms)
        why = found.contributions
        assert why is not None
        assert why.method == method
        assert found.prediction == artifact.predict_one(cells)
        summed = why.base + why.probabilities.sum(axis=0)
        assert summed == pytest.approx(found.prediction.probabilities, abs=1e-6)
        assert why.probabilities.sum(axis=1) == pytest.approx(np.zeros(len(why.columns)), abs=1e-9)
        assert isinstance(found.prediction.estimate, Estimate)
        assert why.log_price is not None
        assert why.base_log_price is not None
        assert found.remainder is not None
        told = why.base_log_price + why.log_price.sum() + found.remainder
        assert told == pytest.approx(np.log(found.prediction.estimate.price))
        assert abs(found.remainder) < 0.5


def test_what_a_changed_column_changes_is_told_of_that_column(artifact: ModelArtifact) -> None:
    told = []
    for size in ("45 m2", "400 m2"):
        found = artifact.explain_one(LISTING | {"GrossSquareMeters": size}, ENDLESS).contributions
        assert found is not None
        assert found.log_price is not None
        told.append(dict(zip(found.columns, found.log_price, strict=True)))
    changes = {name: told[1][name] - told[0][name] for name in told[0]}
    assert max(changes, key=changes.__getitem__) == "GrossSquareMeters"
    assert changes["district"] < changes["GrossSquareMeters"] / 4


def test_an_explanation_has_comparables(artifact: ModelArtifact) -> None:
    found = artifact.explain_one(LISTING).comparables
    assert len(found) == 5
    similarities = [one.similarity for one in found]
    assert similarities == sorted(similarities, reverse=True)
    named = {difference.name for one in found for difference in one.differences}
    assert named
    assert not named & artifact.market.personal_names
    hidden = replace(artifact, market=replace(artifact.market, comparables=False))
    assert hidden.explain_one(LISTING).comparables == ()


def test_a_loaded_artifact_explains_as_the_saved_one_did(artifact: ModelArtifact, saved: Path) -> None:
    before, after = (one.explain_one(LISTING, ENDLESS) for one in (artifact, ModelArtifact.load(saved)))
    assert before.contributions is not None
    assert after.contributions is not None
    assert np.array_equal(before.contributions.probabilities, after.contributions.probabilities)
    assert before.comparables == after.comparables


def test_a_model_of_a_former_release_answers_without_reasons(artifact: ModelArtifact, tmp_path: Path) -> None:
    replace(artifact, sources=None).save(tmp_path)
    assert not (tmp_path / COVERS).exists()
    former = ModelArtifact.load(tmp_path)
    found = former.explain_one(LISTING)
    assert found.contributions is None
    assert found.prediction == artifact.predict_one(LISTING)
    assert len(found.comparables) == 5


Change = Callable[[dict[str, np.ndarray]], object]


@pytest.mark.parametrize(
    "change",
    [
        lambda a: a.update(covers=a["covers"][1:]),
        lambda a: a["covers"].__setitem__(0, 0),
        lambda a: a["covers"].__setitem__(0, np.nan),
    ],
    ids=["one too few", "none", "no number"],
)
def test_damaged_covers_are_refused(artifact: ModelArtifact, tmp_path: Path, change: Change) -> None:
    artifact.forest.save(tmp_path)
    arrays = dict(np.load(tmp_path / COVERS))
    change(arrays)
    np.savez(tmp_path / COVERS, **arrays)
    with pytest.raises(ForestDamaged, match="expected a weight above 0 for each of"):
        FlatForest.load(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a.update(texts=a["texts"][1:]), "differ in length"),
        (lambda a: a["texts"].__setitem__(0, 1_000), "out of bounds"),
        (lambda a: a["buckets"].__setitem__(0, -1), "out of bounds"),
        (lambda a: a["shares"].__setitem__(0, np.nan), "not within 0 to 1"),
        (lambda a: a.update(shares=a["shares"].astype(np.float64)), "another type"),
    ],
)
def test_damaged_sources_are_refused(artifact: ModelArtifact, tmp_path: Path, change: Change, message: str) -> None:
    assert artifact.sources is not None
    artifact.sources.save(tmp_path)
    arrays = dict(np.load(tmp_path / FILE))
    change(arrays)
    np.savez(tmp_path / FILE, **arrays)
    with pytest.raises(ValueError, match=message):
        TokenSources.load(tmp_path, 60, 2**12)
