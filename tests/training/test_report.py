"""The report of one forest: on the held-out listings, with pictures, and the same after a file."""

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread

from housing_assets.confusion import count_confusion
from housing_assets.features.encoded import EncodedListings
from housing_assets.features.split import HELD_OUT
from housing_assets.inference.estimate import PriceEstimator
from housing_assets.inference.forest import FlatForest
from housing_assets.training import plots
from housing_assets.training.contributions import mean_contributions
from housing_assets.training.estimate_learning import learn_estimator
from housing_assets.training.evaluation import calibration_curve, evaluate
from housing_assets.training.forest import grow_forest
from housing_assets.training.parameters import Balancing
from housing_assets.training.report import EvaluationReport
from housing_assets.training.strategies import balance
from tests.training.conftest import SMALL

CATEGORIES = ("low", "medium", "high")
pytestmark = pytest.mark.pictures
PICTURES = {"confusion_matrix", "calibration", "feature_importance", "price_estimates", "contributions"}


def pixels(png: bytes) -> np.ndarray:
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    return imread(io.BytesIO(png), format="png")


def assert_is_a_drawing(png: bytes) -> None:
    shown = pixels(png)
    assert shown.shape[0] > 200
    assert shown.shape[1] > 300
    assert len(np.unique(shown.reshape(-1, shown.shape[2]), axis=0)) > 10


@pytest.fixture(scope="module")
def grown(encoded: EncodedListings, crossed: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> FlatForest:
    training = balance(
        encoded.X_train,
        encoded.y_train,
        crossed[~crossed[HELD_OUT]],
        encoded.encoder,
        Balancing("class_weight", 20, 0),
    )
    return grow_forest(training, SMALL, tmp_path_factory.mktemp("checkpoints")).flatten()


@pytest.fixture(scope="module")
def report(grown: FlatForest, encoded: EncodedListings, crossed: pd.DataFrame) -> EvaluationReport:
    return EvaluationReport.of(grown, encoded, crossed, learn_estimator(grown, encoded, crossed))


def test_a_report_judges_the_held_out_listings(
    report: EvaluationReport, grown: FlatForest, encoded: EncodedListings, crossed: pd.DataFrame
) -> None:
    assert np.array_equal(report.probabilities, grown.predict_proba(encoded.X_holdout))
    assert len(report.probabilities) == crossed[HELD_OUT].sum()
    judged = evaluate(encoded.y_holdout, report.probabilities, CATEGORIES)
    assert {name: report.metrics[name] for name in judged} == judged
    assert all(name.startswith("price_") for name in report.metrics.keys() - judged.keys())
    assert 0.6 < report.metrics["price_coverage_80"] < 0.95
    assert report.metrics["price_mdape"] < 0.4
    assert report.metrics["macro_f1"] > 0.6


def test_segments_are_districts_and_kinds_of_the_held_out_listings(
    report: EvaluationReport, encoded: EncodedListings, crossed: pd.DataFrame
) -> None:
    held_out = crossed[crossed[HELD_OUT]]
    districts = report.segments[report.segments["segment"] == "district"].set_index("value")["rows"]
    assert set(report.segments["segment"]) == {"district", "property_kind"}
    assert districts.to_dict() == held_out["district"].value_counts()[districts.index].to_dict()


def test_a_report_tells_what_declared_columns_add_on_the_whole(
    report: EvaluationReport, grown: FlatForest, encoded: EncodedListings, crossed: pd.DataFrame
) -> None:
    table = report.contributions
    assert set(table["column"]) == {column.raw for column in encoded.encoder.market.inputs}
    assert "district" in set(table["column"].head(3))
    assert table["log_price"].is_monotonic_decreasing
    assert (table[[*CATEGORIES, "mean_probability", "log_price"]] >= 0).all(axis=None)
    assert table["mean_probability"].to_numpy() == pytest.approx(table[list(CATEGORIES)].mean(axis=1).to_numpy())
    nothing = PriceEstimator.nothing(grown.n_leaves)
    assert "log_price" not in mean_contributions(grown, encoded, crossed, nothing, n_rows=3)
    former = replace(grown, covers=None)
    assert mean_contributions(former, encoded, crossed, nothing).empty


def test_a_report_has_its_pictures(report: EvaluationReport) -> None:
    assert set(report.pictures) == PICTURES
    for png in report.pictures.values():
        assert_is_a_drawing(png)


def test_a_report_survives_a_folder(report: EvaluationReport, tmp_path: Path) -> None:
    report.save(tmp_path)
    again = EvaluationReport.load(tmp_path)
    assert (again.forest_digest, again.passed) == (report.forest_digest, report.passed)
    assert dict(again.metrics) == dict(report.metrics)
    assert np.array_equal(again.probabilities, report.probabilities)
    pd.testing.assert_frame_equal(again.segments, report.segments)
    assert dict(again.pictures) == dict(report.pictures)
    assert again.contributions.equals(report.contributions)
    assert json.loads((tmp_path / "metrics.json").read_text()) == dict(report.metrics)


def test_other_numbers_make_another_picture() -> None:
    counts, other = np.array([[9, 1, 0], [2, 7, 1], [0, 3, 2]]), np.array([[1, 9, 0], [7, 2, 1], [0, 3, 2]])
    for png in (plots.confusion_matrix(counts, CATEGORIES), plots.confusion_matrix(other, CATEGORIES)):
        assert_is_a_drawing(png)
    assert plots.confusion_matrix(counts, CATEGORIES) == plots.confusion_matrix(counts, CATEGORIES)
    assert plots.confusion_matrix(counts, CATEGORIES) != plots.confusion_matrix(other, CATEGORIES)


def test_a_confusion_without_rows_of_a_category_is_drawn() -> None:
    empty = count_confusion(np.zeros(3, dtype=np.int8), np.array([0, 1, 0]), 3)
    assert_is_a_drawing(plots.confusion_matrix(empty, CATEGORIES))


def test_the_class_balance_and_a_calibration_curve_are_drawn() -> None:
    before, after = {"low": 40, "medium": 40, "high": 20}, {"low": 40, "medium": 40, "high": 40}
    assert_is_a_drawing(plots.class_balance(before, after))
    assert plots.class_balance(before, after) != plots.class_balance(before, before)
    curve = calibration_curve(np.zeros(4, dtype=np.int8), np.array([[0.9, 0.1, 0]] * 4))
    assert_is_a_drawing(plots.calibration(curve, 3))


def test_only_the_most_important_columns_are_drawn() -> None:
    many = {f"column {number}": number / 1000 for number in range(60)}
    top = {name: many[name] for name in list(many)[-plots.N_IMPORTANT :]}
    assert_is_a_drawing(plots.importance(many))
    assert plots.importance(many) == plots.importance(top)


@pytest.mark.parametrize("n_classes", [2, 5, 20])
def test_pictures_of_any_number_of_categories_are_drawn(n_classes: int) -> None:
    categories = [f"a category of number {number}" for number in range(n_classes)]
    assert_is_a_drawing(plots.confusion_matrix(np.arange(n_classes**2).reshape(n_classes, n_classes), categories))
    counts = dict(zip(categories, range(1, n_classes + 1), strict=True))
    assert_is_a_drawing(plots.class_balance(counts, counts))


def test_a_report_that_passed_its_gates_vouches_for_its_forest_and_another_does_not(report: EvaluationReport) -> None:
    replace(report, passed=True).require_passed()
    with pytest.raises(ValueError, match="materialize price_forest again"):
        report.require_passed()
