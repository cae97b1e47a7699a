"""Local scores: a row alone as in a batch, what an unknown block has, and what is refused."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from housing_assets.features.local_score_learning import learn_local_scores
from housing_assets.inference.hashing import NO_TEXT
from housing_assets.inference.local_scores import (
    MAX_BLOCK_ROWS,
    LocalInputs,
    LocalScores,
    local_score_names,
    standardize,
)
from housing_assets.inference.score_units import STEPS, UNITS
from tests.other_markets import LOCAL_PARCELS, PARCELS

N_NUMBERS, N_TEXTS, N_TARGETS = 4, 2, 6
BLOCKS = (-(2**31), -5, 17, 2**31 - 1)


def drawn(n_rows: int, seed: int = 0) -> LocalInputs:
    rng = np.random.default_rng(seed)
    numbers = rng.normal(size=(n_rows, N_NUMBERS)) * [1, 10, 0.1, 1] + [0, 100, 0, 5]
    numbers[rng.random(n_rows) < 0.3, 1] = np.nan
    return LocalInputs(rng.choice(BLOCKS, n_rows), numbers, rng.integers(-3, 3, (n_rows, N_TEXTS)))


@pytest.fixture(scope="module")
def scores() -> LocalScores:
    inputs = drawn(160)
    rng = np.random.default_rng(1)
    targets = np.nan_to_num(inputs.numbers[:, :1]) + rng.normal(size=(160, N_TARGETS))
    sloped = np.array([1, 1, 1, 0])
    return learn_local_scores(inputs, targets, np.arange(160), sloped, seed=0).scores


def rows_of(inputs: LocalInputs, rows: Any) -> LocalInputs:
    return LocalInputs(*(each[rows] for each in inputs))


ROW = st.tuples(
    st.sampled_from([*BLOCKS, 3, NO_TEXT]),
    st.lists(st.floats(-1e12, 1e12) | st.just(np.nan), min_size=N_NUMBERS, max_size=N_NUMBERS),
    st.lists(st.integers(-4, 4) | st.just(NO_TEXT), min_size=N_TEXTS, max_size=N_TEXTS),
)


@given(st.lists(ROW, min_size=1, max_size=6))
def test_a_row_has_the_same_bits_alone_and_in_a_batch_and_read_back_from_json(
    scores: LocalScores, rows: list[tuple[int, list[float], list[int]]]
) -> None:
    inputs = LocalInputs(*(np.array(each) for each in zip(*rows, strict=True)))
    batch = scores.predict(inputs)
    assert batch.shape == (len(rows), N_TARGETS)
    assert np.isfinite(batch).all()
    again = LocalScores.from_dict(json.loads(json.dumps(scores.to_dict())), LOCAL_PARCELS)
    for row in range(len(rows)):
        alone = again.predict(rows_of(inputs, slice(row, row + 1)))
        assert alone.tobytes() == batch[row].tobytes()


def test_what_is_predicted_is_the_kernel_times_the_weights(scores: LocalScores) -> None:
    inputs, kernel = drawn(40, seed=2), scores.kernel
    numbers, texts = standardize(inputs, scores.means, scores.deviations, scores.told_missing)
    found = scores.predict(inputs)
    for row in range(40):
        place = scores.blocks.tolist().index(inputs.blocks[row])
        rows = slice(scores.starts[place], scores.starts[place + 1])
        remembered = scores.numbers[rows] / STEPS
        squared, differs = (numbers[row] - remembered) ** 2, texts[row] != scores.texts[rows]
        alike = 1 / (1 + squared @ kernel.near_numbers + differs @ kernel.near_texts)
        alike += kernel.far / (1 + squared @ kernel.far_numbers + differs @ kernel.far_texts)
        alike += kernel.common + kernel.product * remembered @ (scores.sloped * numbers[row])
        expected = scores.levels + alike @ (scores.weights[rows] / UNITS)
        np.testing.assert_allclose(found[row], expected, rtol=1e-5, atol=1e-5)


def test_a_row_of_an_unknown_block_has_the_means(scores: LocalScores) -> None:
    inputs = drawn(2)
    strange = inputs._replace(blocks=np.array([12345, NO_TEXT]))
    assert np.array_equal(scores.predict(strange), np.tile(scores.levels, (2, 1)))


def test_names_follow_the_market() -> None:
    assert local_score_names(PARCELS) == ()
    assert local_score_names(LOCAL_PARCELS) == (
        "local_score_above_lowest",
        "local_score_above_low",
        "local_score_above_middle",
        "local_score_above_high",
        "local_score_price",
    )


def far_too_many(stored: dict[str, Any]) -> None:
    more = MAX_BLOCK_ROWS + 1 - stored["starts"][1]
    stored["starts"] = [0, *(end + more for end in stored["starts"][1:])]


DAMAGES: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "a row less": (lambda stored: stored["numbers"].pop(), "numbers have the shape"),
    "a number less": (lambda stored: stored["means"].pop(), "means have the shape"),
    "a weight less": (lambda stored: stored["kernel"]["near_texts"].pop(), "near_texts have the shape"),
    "a weight below 0": (lambda stored: stored["kernel"].update(far=-1.0), "far are not all within 0 and 1e"),
    "a weight that is none": (lambda stored: stored["kernel"].update(noise=float("nan")), "noise are not all within"),
    "no deviation": (lambda stored: stored["deviations"].__setitem__(0, 0.0), "deviations are not all within"),
    "a level without end": (lambda stored: stored["levels"].__setitem__(0, float("inf")), "levels are not all within"),
    "a number far off": (lambda stored: stored["numbers"][0].__setitem__(0, 10**6), "numbers are not all within"),
    "a half": (lambda stored: stored["numbers"][0].__setitem__(0, 0.5), "numbers are no integers"),
    "a weight far off": (lambda stored: stored["weights"][0].__setitem__(0, 2**40), "weights are not all within"),
    "a text that is none": (lambda stored: stored["texts"][0].__setitem__(0, 999), "texts are not all within"),
    "blocks in disorder": (lambda stored: stored["blocks"].reverse(), "its blocks do not ascend"),
    "an empty block": (lambda stored: stored["starts"].__setitem__(1, 0), "a block remembers 0 to"),
    "too large a block": (far_too_many, f"to {MAX_BLOCK_ROWS + 1} rows, expected 1 to 2,000"),
    "a target less": (
        lambda stored: stored.update(weights=[row[:4] for row in stored["weights"]], levels=stored["levels"][:4]),
        "it has 4 targets, the market asks 5 questions",
    ),
    "what is missing, outside": (lambda stored: stored.update(told_missing=[9]), "told_missing are not all within"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_cannot_be_is_refused(scores: LocalScores, damage: str) -> None:
    stored = json.loads(json.dumps(scores.to_dict()))
    change, message = DAMAGES[damage]
    change(stored)
    with pytest.raises(ValueError, match=message):
        LocalScores.from_dict(stored, LOCAL_PARCELS)


def test_local_scores_of_a_market_without_a_kernel_are_refused(scores: LocalScores) -> None:
    with pytest.raises(ValueError, match="it has local scores, and parcels declares no kernel"):
        LocalScores.from_dict(scores.to_dict(), PARCELS)
