"""Learning local scores: rows left out with their copies, blocks that are too large, and rows that teach no amount."""

import numpy as np
import pytest

from housing_assets.features import local_score_learning
from housing_assets.features.local_score_learning import Learned, learn_local_scores
from housing_assets.inference.hashing import NO_TEXT
from housing_assets.inference.local_scores import LocalInputs

SLOPED = np.array([1, 1, 0])
N = 120


def drawn(seed: int = 0) -> tuple[LocalInputs, np.ndarray, np.ndarray]:
    """Return inputs of three blocks, two targets, and groups of which every fourth has two rows."""
    rng = np.random.default_rng(seed)
    numbers = rng.normal(size=(N, 3))
    numbers[rng.random(N) < 0.2, 2] = np.nan
    inputs = LocalInputs(rng.choice([5, 9, 40], N, p=[0.5, 0.4, 0.1]), numbers, rng.integers(0, 3, (N, 1)))
    price = np.sin(2 * numbers[:, 0]) + 0.5 * (inputs.texts[:, 0] == 1) + inputs.blocks / 20 + rng.normal(size=N) * 0.2
    groups = np.arange(N) - (np.arange(N) % 4 == 1)
    return inputs, np.column_stack([price > 1, price]).astype(float), groups


def learn(inputs: LocalInputs, targets: np.ndarray, groups: np.ndarray, seed: int = 0) -> Learned:
    return learn_local_scores(inputs, targets, groups, SLOPED, seed)


def rows_of(inputs: LocalInputs, rows: np.ndarray) -> LocalInputs:
    return LocalInputs(*(each[rows] for each in inputs))


@pytest.mark.parametrize("teach_all", [True, False])
def test_training_rows_are_predicted_as_if_they_and_their_copies_had_not_been_there(
    monkeypatch: pytest.MonkeyPatch, teach_all: bool
) -> None:
    inputs, targets, groups = drawn()
    if not teach_all:
        targets[np.random.default_rng(1).random(N) < 0.3, 1] = np.nan
    learned = learn(inputs, targets, groups)
    scores = learned.scores
    monkeypatch.setattr(local_score_learning, "_learn_kernel", lambda *_: scores.kernel)
    monkeypatch.setattr(
        local_score_learning, "_spread", lambda _: (scores.means, scores.deviations, scores.told_missing)
    )
    for group in np.unique(groups)[::7]:
        gone = groups == group
        # Rows that balance the means stand in a block of their own: the others' means stay what they were.
        balancing = rows_of(inputs, np.flatnonzero(gone))._replace(blocks=np.full(gone.sum(), 77))
        balanced = LocalInputs(
            *(np.concatenate([each[~gone], more]) for each, more in zip(inputs, balancing, strict=True))
        )
        kept = np.concatenate([targets[~gone], targets[gone]])
        without = learn(balanced, kept, np.arange(N)).scores
        np.testing.assert_allclose(without.levels, scores.levels, atol=1e-12)
        expected = without.predict(rows_of(inputs, np.flatnonzero(gone)))
        np.testing.assert_allclose(learned.left_out[gone], expected, atol=2e-4)


def test_a_row_that_does_not_teach_a_target_has_no_weight_in_it() -> None:
    inputs, targets, groups = drawn()
    mute = np.random.default_rng(2).random(N) < 0.3
    silenced = targets.copy()
    silenced[mute, 1] = np.nan
    learned = learn(inputs, silenced, groups)
    order = np.concatenate([np.flatnonzero(inputs.blocks == block) for block in learned.scores.blocks])
    assert not learned.scores.weights[mute[order], 1].any()
    assert learned.scores.weights[:, 0].all()
    assert learned.scores.levels[1] == pytest.approx(targets[~mute, 1].mean())
    assert np.isfinite(learned.left_out).all()
    assert np.corrcoef(learned.left_out[mute, 1], targets[mute, 1])[0, 1] > 0.6


def test_the_kernel_predicts_rows_that_were_left_out_better_than_the_one_it_starts_with(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    inputs, targets, groups = drawn()
    learned = learn(inputs, targets, groups)
    monkeypatch.setattr(local_score_learning, "MAX_STEPS", 0)
    at_start = learn(inputs, targets, groups)

    def missed(found: Learned) -> float:
        return float((((found.left_out - targets) / targets.std(axis=0)) ** 2).mean())

    assert missed(learned) < 0.95 * missed(at_start)
    kernel = learned.scores.kernel
    assert kernel.near_numbers[0] > 3 * kernel.near_numbers[1]  # the price follows the first number alone


def test_the_derivatives_of_the_error_are_those_of_small_steps() -> None:
    rng = np.random.default_rng(3)
    sampled = [(rng.normal(size=(n, 3)), rng.integers(0, 3, (n, 2)), rng.normal(size=(n, 2))) for n in (12, 20)]
    flat = np.exp(rng.normal(size=2 * 5 + 4) * 0.5)
    _, slopes = local_score_learning._left_out_error(flat, (3, 2), sampled, SLOPED)
    for position in range(len(flat)):
        step = np.zeros(len(flat))
        step[position] = 1e-5
        above, below = (
            local_score_learning._left_out_error(flat * np.exp(sign * step), (3, 2), sampled, SLOPED)[0].mean()
            for sign in (1, -1)
        )
        assert slopes[position] == pytest.approx((above - below) / 2e-5, rel=1e-4, abs=1e-7)


def test_a_block_that_is_too_large_remembers_whole_homes_drawn_by_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_score_learning, "MAX_BLOCK_ROWS", 30)
    inputs, targets, groups = drawn()
    learned, again, other = (learn(inputs, targets, groups, seed) for seed in (0, 0, 1))
    sizes = np.diff(learned.scores.starts)
    assert sizes.max() <= 30
    assert sizes.tolist()[:2] >= [28, 28]
    assert learned.scores.to_dict() == again.scores.to_dict()
    assert learned.left_out.tobytes() == again.left_out.tobytes()
    assert learned.scores.to_dict() != other.scores.to_dict()
    assert np.corrcoef(learned.left_out[:, 1], targets[:, 1])[0, 1] > 0.6
    blocks = list(local_score_learning._blocks(inputs.blocks, groups, np.random.default_rng(0)))
    for block in blocks:
        forgotten = np.setdiff1d(block.rows, block.kept)
        assert not np.isin(groups[forgotten], groups[block.kept]).any()


def test_rows_without_a_block_have_the_means_and_teach_nothing() -> None:
    inputs, targets, groups = drawn()
    astray = np.arange(N) % 3 == 0
    learned = learn(inputs._replace(blocks=np.where(astray, NO_TEXT, inputs.blocks)), targets, groups)
    assert len(learned.scores.weights) == (~astray).sum()
    assert np.array_equal(learned.left_out[astray], np.tile(learned.scores.levels, (astray.sum(), 1)))


def test_listings_of_which_none_has_a_block_are_refused() -> None:
    inputs, targets, groups = drawn()
    with pytest.raises(ValueError, match="no training listing has one"):
        learn(inputs._replace(blocks=np.full(N, NO_TEXT)), targets, groups)


def test_a_few_homes_that_are_all_alike_can_be_learned_from() -> None:
    alike = LocalInputs(np.full(6, 1), np.ones((6, 3)), np.zeros((6, 1), np.int64))
    learned = learn(alike, np.arange(12.0).reshape(6, 2), np.arange(6))
    assert np.isfinite(learned.left_out).all()
    assert learned.scores.predict(alike)[0].tolist() == pytest.approx([5, 6], abs=0.01)
