"""Which parameters a forest is grown with."""

import pytest

from housing_assets.training.parameters import TUNED, takes_best


@pytest.mark.parametrize(
    ("named", "use_best", "taken"),
    [
        ((), True, True),
        (("n_trees", "n_jobs", "seed", "checkpoint_every", "fine_tune", "use_best"), True, True),
        *(((name,), True, False) for name in ("kind", "max_features", "column_share", "min_samples_leaf", "max_depth")),
        (("n_trees", "max_depth"), True, False),
        (("n_trees", "use_best"), False, False),
        (TUNED, False, False),
    ],
)
def test_settings_of_a_sweep_are_taken_where_the_configuration_names_none_of_them(
    named: tuple[str, ...], use_best: bool, taken: bool
) -> None:
    assert takes_best(named, use_best) is taken
