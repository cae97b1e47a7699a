"""Cells: where the values of a column are counted to be compared."""

import numpy as np

from housing_assets.monitoring.profiles.numbers import NumberProfile, learn_edges
from housing_assets.monitoring.profiles.texts import TextProfile
from housing_assets.monitoring.statistics.cells import common_counts, commonest_cells, decile_cells
from housing_assets.monitoring.statistics.two_sample import population_stability


def test_deciles_of_a_smooth_number_hold_a_tenth_each() -> None:
    numbers = np.random.default_rng(0).normal(size=50_000)
    reference = NumberProfile.of(np.append(numbers, np.nan), learn_edges(numbers))
    window = NumberProfile.of(np.array([-99.0, 99.0, 99.0, np.nan]), reference.edges)
    cells = decile_cells(reference, window)
    assert np.abs(cells.reference[1:11] / 50_000 - 0.1).max() < 0.005
    assert cells.reference[[0, 11, 12]].tolist() == [0, 0, 1]
    assert dict(zip(cells.names, cells.window.tolist(), strict=True)) | {"BELOW": 1, "ABOVE": 2, "MISSING": 1} == dict(
        zip(cells.names, cells.window.tolist(), strict=True)
    )


def test_texts_are_counted_by_the_20_commonest_and_the_rest_together() -> None:
    known = {f"d{rank:02d}": 100 - rank for rank in range(25)} | {"rare": 1, "rarer": 1}
    counts = common_counts(
        TextProfile(known, sum(known.values()), 7), TextProfile({"d00": 3, "d24": 4, "new": 5}, 12, 2)
    )
    cells = commonest_cells(counts, 7, 2)
    assert cells.names == (*[f"d{rank:02d}" for rank in range(20)], "OTHER", "UNSEEN", "MISSING")
    assert cells.reference[-3:].tolist() == [78 + 77 + 76 + 80 + 79, 2, 7]
    assert cells.window[-3:].tolist() == [4, 5, 2]
    assert cells.window[0] == 3
    assert (cells.reference.sum(), cells.window.sum()) == (sum(known.values()) + 7, 14)


def test_a_reference_with_few_values_has_cells_for_no_others() -> None:
    counts = common_counts(TextProfile({"a": 9, "b": 1}, 10, 0), TextProfile({"c": 2}, 2, 0))
    cells = commonest_cells(counts, 0, 0)
    assert cells.names == ("a", "b", "OTHER", "UNSEEN", "MISSING")
    assert cells.reference.tolist() == [9, 1, 0, 0, 0]
    assert cells.window.tolist() == [0, 0, 0, 2, 0]


def test_a_value_that_is_named_as_the_cell_of_missing_ones_is_present() -> None:
    counts = common_counts(TextProfile({"MISSING": 9, "gas": 1}, 10, 3), TextProfile({"MISSING": 2}, 2, 5))
    cells = commonest_cells(counts, 3, 5)
    assert cells.present().names == ("MISSING", "gas", "OTHER", "UNSEEN")
    assert cells.present().reference.tolist() == [9, 1, 0, 0]
    assert cells.present().window.tolist() == [2, 0, 0, 0]


def test_fewer_unseen_values_than_foretold_are_no_drift() -> None:
    once = {f"address {number}": 1 for number in range(500)}
    known = TextProfile({"oak street": 500, **once}, 1_000, 0)
    asked_again = TextProfile({"oak street": 100, **dict(list(once.items())[:100])}, 200, 0)

    cells = commonest_cells(common_counts(known, asked_again), 0, 0)

    named = dict(zip(cells.names, zip(cells.reference.tolist(), cells.window.tolist(), strict=True), strict=True))
    assert named["UNSEEN"] == (0, 0)
    assert cells.reference.sum() == 1_000
    assert cells.window.sum() == 200
    assert population_stability(cells.reference, cells.window).effect < 0.25
