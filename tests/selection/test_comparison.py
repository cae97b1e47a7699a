"""The comparison of families: the rule by which one wins, and what is said of it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from housing_assets.selection.comparison import (
    Difference,
    Figures,
    ModelComparison,
    compare_families,
    entrants_of,
    win,
)
from housing_assets.selection.families import FAMILIES
from housing_assets.selection.judged_folds import JudgedFold
from housing_assets.training.parameters import ForestParameters

NONE = Difference(0.0, 0.0, 0.0)
WORSE = Difference(-0.02, -0.03, -0.01)
BETTER = Difference(0.02, 0.01, 0.03)
NOISE = Difference(-0.002, -0.01, 0.006)


def figures(name: str, score: float, alone_us: float, reference: Difference, best: Difference) -> Figures:
    served = name in ("random_forest", "extra_trees")
    return Figures(name, served, {}, 200, [score - 0.01, score + 0.01], reference, best, 1.0, 1.0, alone_us)


FLOOR = figures("logistic_regression", 0.80, 1.0, WORSE, WORSE)
FOREST = figures("random_forest", 0.85, 5.0, NONE, NONE)


def test_the_cheapest_to_answer_wins_of_those_that_are_as_good_as_the_best() -> None:
    boosting = figures("gradient_boosting", 0.852, 900.0, replace(NOISE, value=0.002), NONE)
    forest = replace(FOREST, against_best=NOISE)
    assert win([FLOOR, forest, boosting]).family == "random_forest"
    assert win([FLOOR, replace(forest, against_best=WORSE), boosting]).family == "gradient_boosting"
    assert win([FLOOR]).family == "logistic_regression"


def test_of_those_that_are_as_cheap_within_what_timings_differ_by_the_better_one_wins() -> None:
    forest = replace(FOREST, against_best=NONE)
    for microseconds, winner in ((4.5, "random_forest"), (3.0, "extra_trees")):
        extra = figures("extra_trees", 0.849, microseconds, NOISE, NOISE)
        assert win([forest, extra]).family == winner


def test_it_is_said_whether_something_beats_the_forest_and_whether_it_can_be_chosen() -> None:
    nothing = ModelComparison((FLOOR, FOREST), 100, 0)
    assert nothing.choice is None
    assert nothing.finding.endswith("Nothing beats the random forest by more than noise: it stays")

    boosting = figures("gradient_boosting", 0.87, 900.0, BETTER, NONE)
    unserved = replace(nothing, figures=(FLOOR, replace(FOREST, against_best=WORSE), boosting))
    assert unserved.choice is None
    assert "gradient_boosting beats the random forest by 0.0200 (0.0100 to 0.0300), but no artifact" in unserved.finding

    extra = replace(figures("extra_trees", 0.86, 6.0, BETTER, NOISE), settings=FAMILIES["extra_trees"].default)
    served = replace(unserved, figures=(*unserved.figures, extra))
    assert served.choice == extra
    assert served.winner == extra
    said = json.loads(served.finding.partition("price_forest's config ")[2])
    assert said == {"kind": "extra_trees", "column_share": 0.1, "min_samples_leaf": 1, "max_depth": 0, "n_trees": 200}
    assert ForestParameters.model_validate(said).growth()["column_share"] == 0.1


def test_it_is_said_that_settings_were_chosen_on_the_listings_that_judge_them() -> None:
    found = ModelComparison((FLOOR, FOREST), 100, 0)
    assert found.finding.startswith("random_forest wins")
    tuned = replace(found, tuned=True)
    assert tuned.finding.startswith(
        "Settings were chosen on listings of these folds, which intervals do not count; no "
    )
    assert "; the newest listings have chosen none. random_forest wins" in replace(tuned, newest_rows=300).finding


def test_families_are_compared_on_the_same_rows(folds: list[JudgedFold], tmp_path: Path) -> None:
    lines: list[str] = []
    entrants = entrants_of(["random_forest", "logistic_regression"], {}, {"random_forest": 10}, n_jobs=1)
    compared = compare_families(entrants, folds, folds[0], tuned=True, report=lines.append)
    floor, forest = compared.figures
    assert [floor.family, forest.family] == ["logistic_regression", "random_forest"]
    assert len(lines) == 2 * len(folds) + 2
    assert compared.rows == sum(len(fold.y) for fold in folds)
    assert forest.against_reference == NONE
    assert floor.against_reference.low <= floor.against_reference.value <= floor.against_reference.high
    assert floor.against_reference.value == pytest.approx(floor.mean - forest.mean, abs=0.02)
    assert forest.newest == forest.scores[0]
    assert min(forest.batch_us, forest.alone_us, forest.fit_seconds) > 0
    table = compared.table()
    assert table["macro_f1"].is_monotonic_decreasing
    compared.save(tmp_path)
    assert ModelComparison.load(tmp_path) == compared


def test_without_an_out_of_time_fold_it_is_said_why(folds: list[JudgedFold]) -> None:
    entrants = entrants_of(["random_forest"], {}, {"random_forest": 5}, n_jobs=1)
    compared = compare_families(entrants, folds[:2], "it is switched off")
    assert (compared.reason, compared.newest_rows, compared.figures[0].newest) == ("it is switched off", 0, None)


def test_a_comparison_without_the_forest_is_refused(folds: list[JudgedFold]) -> None:
    entrants = entrants_of(["logistic_regression"], {}, {}, n_jobs=1)
    with pytest.raises(ValueError, match="logistic_regression are compared with random_forest, which is not among"):
        compare_families(entrants, folds, "")
