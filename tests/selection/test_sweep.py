"""The sweep: within its budget, pruned, and taken up again where a process was killed."""

import multiprocessing
import time
from dataclasses import replace
from pathlib import Path

import pytest

from housing_assets.selection.families import TRAINED_FOREST, Choice, Classifier, Family, Settings
from housing_assets.selection.judged_folds import JudgedFold
from housing_assets.selection.sweep import Budget, Sweep, _take_up
from housing_assets.training.balancing import TrainingSet
from housing_assets.training.best_params import BestParams
from tests.selection.conftest import cut

TREES = 5
TRIALS = 8
pytest.importorskip("optuna")


def sweep_in(folder: Path, family: Family = TRAINED_FOREST, size: int = TREES) -> Sweep:
    return Sweep(family, folder, "data", size)


@pytest.fixture(scope="module")
def swept(folds: list[JudgedFold], tmp_path_factory: pytest.TempPathFactory) -> tuple[Sweep, BestParams, list[str]]:
    sweep, lines = sweep_in(tmp_path_factory.mktemp("sweep")), list[str]()
    return sweep, sweep.run(folds, Budget(TRIALS, 600), lines.append), lines


def test_a_sweep_tries_the_default_first_and_as_many_settings_as_it_may(
    swept: tuple[Sweep, BestParams, list[str]],
) -> None:
    sweep, found, lines = swept
    assert found.finished + found.pruned == TRIALS
    assert found.failed == 0
    assert found.study == sweep.name
    assert found.score >= found.default_score > 0
    assert found.low <= found.difference <= found.high
    assert len(lines) == TRIALS + 1
    assert '"random_forest"' in lines[1]


def test_a_spent_budget_is_spent_in_the_next_process_too(
    swept: tuple[Sweep, BestParams, list[str]], folds: list[JudgedFold]
) -> None:
    sweep, found, _ = swept
    lines: list[str] = []
    assert sweep.run(folds, Budget(TRIALS, 600), lines.append) == found
    assert lines == [f"sweep {sweep.name} of price_forest: {TRIALS} of {TRIALS} trials are done"]
    assert sweep.run(folds, Budget(10 * TRIALS, found.seconds / 2)) == found


@pytest.mark.acceptance
def test_a_setting_that_is_behind_after_its_first_folds_is_given_up(folds: list[JudgedFold], tmp_path: Path) -> None:
    depths = {**TRAINED_FOREST.space, "max_depth": Choice((0, 1))}
    found = sweep_in(tmp_path, replace(TRAINED_FOREST, space=depths)).run([*folds, *folds], Budget(12, 600))
    assert found.pruned > 0
    assert found.finished + found.pruned == 12


def test_the_default_stays_unless_it_is_beaten_by_more_than_noise(folds: list[JudgedFold], tmp_path: Path) -> None:
    stump = {**TRAINED_FOREST.default, "max_depth": 1}
    poor = replace(TRAINED_FOREST, default=stump, space={**TRAINED_FOREST.space, "max_depth": Choice((1, 0))})
    beaten = sweep_in(tmp_path / "poor", poor, size=10).run(folds, Budget(6, 600))
    assert beaten.parameters == beaten.found
    assert beaten.low > 0

    alone = {name: Choice((value,)) for name, value in TRAINED_FOREST.default.items()}
    kept = sweep_in(tmp_path / "same", replace(TRAINED_FOREST, space=alone)).run(folds, Budget(2, 600))
    assert kept.found == TRAINED_FOREST.default
    assert kept.parameters == {}


def test_a_sweep_of_other_data_begins_anew_and_leaves_nothing_of_the_one_before(
    folds: list[JudgedFold], tmp_path: Path
) -> None:
    first, other = sweep_in(tmp_path), replace(sweep_in(tmp_path), data="others")
    first.run(folds[:2], Budget(1, 600))
    assert other.run(folds[:2], Budget(1, 600)).finished == 1
    assert [folder.name for folder in tmp_path.iterdir()] == [other.name]


def test_best_params_are_read_as_they_were_stored(tmp_path: Path) -> None:
    best = BestParams(parameters={"column_share": 0.2}, found={"column_share": 0.2}, study="abc", seconds=1.5)
    best.save(tmp_path)
    assert BestParams.load(tmp_path) == best


# -- killed ------------------------------------------------------------------------------------------------------------


def search(data: Path, folder: Path, told: Path) -> None:
    """Search, with a line for each trial; this is what is killed."""
    with told.open("w", buffering=1) as lines:
        sweep_in(folder).run(cut(TrainingSet.load(data), 3), Budget(200, 600), lambda line: lines.write(f"{line}\n"))


def test_the_default_is_judged_though_a_process_died_before_all_of_it_was_read(
    folds: list[JudgedFold], tmp_path: Path
) -> None:
    sweep = sweep_in(tmp_path)
    study = sweep._open()
    _take_up(study, sweep.family.default)
    assert study.ask().params == {}  # here it dies: the trial runs for ever, and nothing of it was read

    found = sweep.run(folds, Budget(1, 600))
    assert (found.finished, found.failed) == (1, 1)
    assert found.default_score == found.score > 0


def test_a_setting_that_processes_die_of_is_tried_once_more_and_then_left_alone(
    folds: list[JudgedFold], tmp_path: Path
) -> None:
    def fit(training: TrainingSet, settings: Settings, size: int, n_jobs: int) -> Classifier:
        if settings["max_depth"] == 20:
            raise KeyboardInterrupt  # as a kill, it leaves the trial running
        return TRAINED_FOREST.fit(training, settings, size, n_jobs)

    alone = {name: Choice((value,)) for name, value in TRAINED_FOREST.default.items()}
    fatal = replace(TRAINED_FOREST, fit=fit, space={**alone, "max_depth": Choice((0, 20))})
    sweep = sweep_in(tmp_path, fatal)
    queued = []
    for _ in range(4):
        with pytest.raises(KeyboardInterrupt):
            sweep.run(folds, Budget(100, 600))
        queued.append([trial.user_attrs["setting"]["max_depth"] for trial in sweep._open().trials if trial.user_attrs])
    assert queued == [[0], [0, 20], [0, 20], [0, 20]]


@pytest.mark.acceptance
def test_a_killed_sweep_goes_on_with_the_trials_that_were_finished(
    training: TrainingSet, folds: list[JudgedFold], tmp_path: Path
) -> None:
    import optuna

    data, folder, told = tmp_path / "data", tmp_path / "sweep", tmp_path / "told"
    data.mkdir()
    training.save(data)
    process = multiprocessing.get_context("forkserver").Process(target=search, args=(data, folder, told))
    process.start()
    deadline = time.monotonic() + 60
    while not told.exists() or told.read_text().count("\n") < 5:  # its first line and four trials
        assert process.is_alive()
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.kill()
    process.join()
    assert process.exitcode == -9

    sweep = sweep_in(folder)

    def trials() -> list[optuna.trial.FrozenTrial]:
        return optuna.load_study(study_name=sweep.name, storage=f"sqlite:///{folder / sweep.name / 'study.db'}").trials

    before = [trial for trial in trials() if trial.state.is_finished()]
    assert len(before) >= 4
    lines: list[str] = []
    found = sweep.run(folds, Budget(len(before) + 3, 600), lines.append)
    assert lines[0].endswith(f"{len(before)} of {len(before) + 3} trials are done")
    assert len(lines) == 4
    after = {trial.number: trial for trial in trials()}
    assert all(after[trial.number] == trial for trial in before)
    assert not any(trial.state == optuna.trial.TrialState.RUNNING for trial in after.values())
    assert found.finished + found.pruned == len(before) + 3
