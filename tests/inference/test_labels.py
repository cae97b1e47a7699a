"""What the categories of a lineage mean: bands of a price, or classes."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from housing_assets.inference.labels import FILE, Band, LabelScheme

BANDS = LabelScheme("a lineage", ("low", "medium", "high"), (1_000_000.0, 4_000_000.0), "TRY", 7)
CLASSES = LabelScheme("another", ("C", "A", "B"), (), "", 3, synthetic=True)


def test_an_edge_belongs_to_the_lower_band() -> None:
    low, medium = BANDS.edges
    prices = np.array([1.0, low, np.nextafter(low, np.inf), medium, np.nextafter(medium, np.inf), 1e11])
    found = [BANDS.categories[label] for label in BANDS.labels(prices)]
    assert found == ["low", "low", "medium", "medium", "high", "high"]
    assert BANDS.labels(prices).dtype == np.int8


def test_a_class_is_its_place_among_the_categories_and_an_unknown_one_none() -> None:
    found = CLASSES.labels(np.array(["A", "B", "C", "D", None], dtype=object))
    assert found.tolist() == [1, 2, 0, -1, -1]
    assert found.dtype == np.int8


def test_a_band_is_what_lies_above_one_edge_and_up_to_the_next() -> None:
    assert [BANDS.band(category) for category in range(3)] == [
        Band(None, 1_000_000.0, "TRY"),
        Band(1_000_000.0, 4_000_000.0, "TRY"),
        Band(4_000_000.0, None, "TRY"),
    ]
    assert BANDS.has_bands
    assert [CLASSES.band(category) for category in range(3)] == [None] * 3
    assert not CLASSES.has_bands


def test_log_prices_are_cut_off_far_below_and_above_the_edges() -> None:
    logs = BANDS.log_prices(np.array([1_000.0, 500_000.0, 1_000_000.0, 2_000_000.0, 4_000_000.0, 1e11]))
    np.testing.assert_allclose(logs, [-1, -np.log(2), 0, np.log(2), np.log(4), np.log(4)])


def test_a_contract_from_before_it_named_its_kind_of_prices_names_none() -> None:
    stored = {name: value for name, value in BANDS.to_dict().items() if name != "price_kind"}
    assert LabelScheme.from_dict(stored).price_kind == ""


@pytest.mark.parametrize("labels", [replace(BANDS, price_kind="paid"), CLASSES], ids=["bands", "classes"])
def test_labels_survive_a_file(labels: LabelScheme, tmp_path: Path) -> None:
    labels.save(tmp_path)
    assert LabelScheme.load(tmp_path) == labels
    assert LabelScheme.from_dict(json.loads(json.dumps(labels.to_dict()))) == labels
    assert {path.name for path in tmp_path.iterdir()} == {FILE}


def test_the_terms_are_all_that_labels_and_the_split_follow_from() -> None:
    assert replace(BANDS, lineage="another").terms() == BANDS.terms() == replace(BANDS, synthetic=True).terms()
    for other in (
        replace(BANDS, categories=("low", "middle", "high")),
        replace(BANDS, edges=(1_000_000.0, 4_000_001.0)),
        replace(BANDS, currency="USD"),
        replace(BANDS, holdout_salt=8),
    ):
        assert other.terms() != BANDS.terms()


def test_bands_that_were_stored_before_they_named_their_categories_tell_what_rewrites_them() -> None:
    with pytest.raises(ValueError, match="housing versions upgrade"):
        LabelScheme.from_dict({"lineage": "x", "edges": [1, 2], "currency": "TRY", "holdout_salt": 0})


@pytest.mark.parametrize("edges", [[1.0], [1.0, 2.0, 3.0], [2.0, 1.0], [1.0, 1.0]])
def test_edges_that_do_not_part_the_categories_are_refused(edges: list[float]) -> None:
    with pytest.raises(ValueError, match="for 3 categories"):
        LabelScheme.from_dict({**BANDS.to_dict(), "edges": edges})
