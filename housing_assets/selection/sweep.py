"""Searches the settings of a family with Optuna: on disk, so that a killed sweep goes on where it stopped.

The first trial is the default setting, which is judged on all folds. A trial that lies below the median of the others
after its first folds is pruned (Optuna's ``MedianPruner``); the next ones are drawn by its tree-structured Parzen
estimator (Bergstra et al. 2011).
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from housing_assets.confusion import count_confusion, macro_f1
from housing_assets.selection.families import Between, Choice, Family, Settings
from housing_assets.selection.judged_folds import JudgedFold
from housing_assets.training.best_params import BestParams
from housing_assets.training.promotion import CONFIDENCE, compare_predicted

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial, Trial

STARTUP_TRIALS = 4
"""Trials that are judged on all folds, whatever they say of themselves: a median of fewer is chance."""

FIRST_FOLDS = 2
"""Folds that a trial is judged on before it may be pruned."""

SETTING = "setting"
"""Attribute of a trial that was queued: the setting that it tries, which is known before all of it is read."""

MAX_SHARES = 10
"""Into so many parts the risk is divided at most: the best of many is better than the default by chance alone."""


@dataclass(frozen=True)
class Budget:
    """When a sweep ends: after so many trials or so many seconds of them, those of broken-off processes included.

    The trial that is under way then is finished: what was computed of it is not thrown away.
    """

    trials: int
    seconds: float


@dataclass(frozen=True)
class Sweep:
    """A search for the settings of a family.

    Attributes
    ----------
    family : Family
    folder : Path
        Of this family's sweeps; a sweep of something else that lies there is removed.
    data : str
        Fingerprint of the folds.
    size : int
        Trees or rounds of each trial.
    n_jobs : int
        Threads that fit it.
    seed : int
    """

    family: Family
    folder: Path
    data: str
    size: int
    n_jobs: int = 1
    seed: int = 0

    @property
    def name(self) -> str:
        """What tells this sweep from others: its data, space and sizes."""
        family = self.family
        space = {name: [type(one).__name__, asdict(one)] for name, one in family.space.items()}
        said = [family.name, dict(family.default), space, self.data, self.size, self.seed]
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:12]

    def run(
        self, folds: Sequence[JudgedFold], budget: Budget, report: Callable[[str], None] = lambda line: None
    ) -> BestParams:
        """Search until the budget is spent, going on from the trials that are there.

        Parameters
        ----------
        folds : sequence of JudgedFold
            The same ones at each start.
        budget : Budget
        report : callable
            Called with a line when the sweep starts and after each trial.
        """
        from optuna.trial import TrialState

        study = self._open()
        _take_up(study, self.family.default)
        space = {name: distribution(one) for name, one in self.family.space.items()}
        ended = _ended(study)
        report(f"sweep {self.name} of {self.family.name}: {len(ended)} of {budget.trials} trials are done")
        while not _is_judged(ended, self.family.default) or (
            len(ended) < budget.trials and _seconds(ended) < budget.seconds
        ):
            trial = study.ask(space)
            scores = self._judge(trial, folds)
            whole = len(scores) == len(folds)
            study.tell(trial, float(np.mean(scores)) if whole else None, None if whole else TrialState.PRUNED)
            ended = _ended(study)
            report(_progress(ended, budget))
        return self._result(study, folds)

    def _open(self) -> "Study":
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        place = self.folder / self.name
        for other in self.folder.iterdir() if self.folder.is_dir() else ():
            if other != place:
                shutil.rmtree(other)
        place.mkdir(parents=True, exist_ok=True)
        study = optuna.create_study(
            storage=f"sqlite:///{(place / 'study.db').absolute()}",
            study_name=self.name,
            direction="maximize",
            load_if_exists=True,
            pruner=optuna.pruners.MedianPruner(n_startup_trials=STARTUP_TRIALS, n_warmup_steps=FIRST_FOLDS - 1),
        )
        # Of a sweep that goes on the seed is another, or its trials would be drawn as those before were.
        study.sampler = optuna.samplers.TPESampler(seed=self.seed + len(study.trials), n_startup_trials=STARTUP_TRIALS)
        return study

    def _judge(self, trial: "Trial", folds: Sequence[JudgedFold]) -> list[float]:
        """Return the macro-F1 of each fold, of fewer than all where the trial is given up."""
        scores: list[float] = []
        predicted: list[np.ndarray] = []
        for number, fold in enumerate(folds):
            fitted = self.family.fit(fold.training, trial.params, self.size, self.n_jobs)
            predicted.append(fitted.predict_proba(fold.X).argmax(axis=1).astype(np.int8))
            scores.append(float(macro_f1(count_confusion(fold.y, predicted[-1], fold.training.n_classes))))
            trial.report(float(np.mean(scores)), number)
            is_default = trial.params == dict(self.family.default)  # all others are held against it
            if number + 1 < len(folds) and not is_default and trial.should_prune():
                return scores
        np.save(self._predicted(trial.number), np.concatenate(predicted), allow_pickle=False)
        return scores

    def _predicted(self, number: int) -> Path:
        return self.folder / self.name / f"trial-{number:05}.npy"

    def _result(self, study: "Study", folds: Sequence[JudgedFold]) -> BestParams:
        from optuna.trial import TrialState

        ended = _ended(study)
        finished = [trial for trial in ended if trial.state == TrialState.COMPLETE]
        broken_off = study.get_trials(deepcopy=False, states=(TrialState.FAIL,))
        default = next(trial for trial in finished if trial.params == dict(self.family.default))
        best = max(finished, key=lambda trial: trial.value or 0.0)
        risk = (1 - CONFIDENCE) / 2 / min(max(len(ended) - 1, 1), MAX_SHARES)
        found = compare_predicted(
            np.concatenate([fold.y for fold in folds]),
            np.load(self._predicted(best.number), allow_pickle=False),
            np.load(self._predicted(default.number), allow_pickle=False),
            folds[0].training.n_classes,
            risk=risk,
        )
        return BestParams(
            parameters=best.params if found.lowest > 0 else {},
            found=best.params,
            study=self.name,
            score=best.value or 0.0,
            default_score=default.value or 0.0,
            difference=found.difference,
            low=found.lowest,
            high=found.high,
            finished=len(finished),
            pruned=len(ended) - len(finished),
            failed=len(broken_off),
            seconds=_seconds(ended),
        )


def distribution(setting: Choice | Between) -> "BaseDistribution":
    """Return a setting's values as Optuna has them."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(setting, Choice):
        return CategoricalDistribution(setting.values)
    if isinstance(setting.low, int) and isinstance(setting.high, int):
        return IntDistribution(setting.low, setting.high, log=setting.log)
    return FloatDistribution(setting.low, setting.high, log=setting.log)


def _take_up(study: "Study", default: Settings) -> None:
    """Queue the default setting first, until it is judged, and what a process that died was at, once more.

    A setting at which processes died twice may be what they die of: it is left alone.
    """
    from optuna.trial import TrialState

    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
    trials = study.get_trials(deepcopy=False)
    settings = [_setting(trial) for trial in trials]
    waiting = [setting for trial, setting in zip(trials, settings, strict=True) if trial.state == TrialState.WAITING]
    if dict(default) not in waiting and not _is_judged(trials, default):
        _queue(study, default)
    for trial, setting in zip(trials, settings, strict=True):
        # A setting that was not drawn to its end was never tried.
        broken_off = trial.state == TrialState.FAIL and setting.keys() == default.keys()
        if broken_off and setting != dict(default) and settings.count(setting) == 1:
            _queue(study, setting)


def _queue(study: "Study", setting: Settings) -> None:
    study.enqueue_trial(dict(setting), user_attrs={SETTING: dict(setting)})


def _setting(trial: "FrozenTrial") -> Settings:
    """Return the setting that a trial was queued with, or else what was drawn for it so far."""
    return dict(trial.user_attrs.get(SETTING, trial.params))


def _is_judged(trials: "Sequence[FrozenTrial]", setting: Settings) -> bool:
    """Return whether a setting was judged on all folds."""
    return any(trial.state.name == "COMPLETE" and trial.params == dict(setting) for trial in trials)


def _ended(study: "Study") -> "list[FrozenTrial]":
    """Return the trials that count: those that were judged on all folds, and those that were given up."""
    from optuna.trial import TrialState

    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))


def _seconds(trials: "Sequence[FrozenTrial]") -> float:
    return sum(trial.duration.total_seconds() for trial in trials if trial.duration is not None)


def _progress(ended: "Sequence[FrozenTrial]", budget: Budget) -> str:
    newest = max(ended, key=lambda trial: trial.number)
    finished = [trial for trial in ended if trial.state.name == "COMPLETE"]
    best = max((trial.value or 0.0 for trial in finished), default=0.0)
    last = (
        f"macro-F1 {newest.value:.4f}"
        if newest in finished
        else f"pruned after {len(newest.intermediate_values)} folds"
    )
    return (
        f"trial {len(ended)} of {budget.trials}, {_seconds(ended):.0f} of {budget.seconds:.0f} s: {last}, "
        f"best {best:.4f}; {json.dumps(newest.params)}"
    )
