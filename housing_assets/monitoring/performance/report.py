"""How the version in production performs: with labels, without them, against the version before, against the next."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

from housing_assets.inference.market import Market
from housing_assets.monitoring.options import PerformanceConfig
from housing_assets.monitoring.performance.blind_test import BlindTest, read_valuations, run_blind_test
from housing_assets.monitoring.performance.breakdown import Breakdown, break_down
from housing_assets.monitoring.performance.challenger import ANSWERED, Challenge, judge_challenger, pair_with_shadow
from housing_assets.monitoring.performance.judging import PerformanceReport, judge_performance
from housing_assets.monitoring.performance.paired import PairedComparison
from housing_assets.monitoring.performance.replaced import answer_again, compare_with_replaced, describe_loss
from housing_assets.monitoring.performance.without_labels import EstimatedAccuracy, accuracy_without_labels
from housing_assets.monitoring.production.days import DayProfiles
from housing_assets.monitoring.production.frames import Frames
from housing_assets.monitoring.production.labelled import (
    ANSWER,
    COUNTED,
    PAIRED,
    SUMMARIZED,
    VALUED,
    count_others,
    first_rows,
    label_window,
    merge_outcomes,
    summarize_labels,
    summarize_segments,
)
from housing_assets.monitoring.production.references import References
from housing_assets.monitoring.profiles.outcomes import Outcomes
from housing_assets.monitoring.profiles.refused import ProfileRefused
from resources.mlflow.registry import REPLACED, ModelRegistry

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Performance:
    """What is known of the performance of the version in production.

    Attributes
    ----------
    version, replaced : int
        In production, and the one it replaced; 0 where there is none.
    report : PerformanceReport
        On labelled rows, against the holdout.
    by_day : mapping
        Outcomes by version, and by the day on which the label came in.
    holdout : Outcomes or None
    estimate : EstimatedAccuracy or None
        Without labels, of the window's predictions.
    against_replaced : PairedComparison or None
    worse_than_replaced : bool
    challenge : Challenge or None
    breakdown : Breakdown or None
        The same rows as the report's, in parts.
    blind_test : BlindTest or None
        Of the estimates of prices that came in with the report's rows; None where the market has classes.
    price_kind : str
        Of the prices that are predicted; empty where rows have classes.
    other_kinds : mapping of str to int
        Prices of another kind that came back, by kind: they are left out of everything.
    """

    version: int
    replaced: int
    report: PerformanceReport
    by_day: Mapping[int, Mapping[date, Outcomes]] = field(default_factory=dict)
    holdout: Outcomes | None = None
    estimate: EstimatedAccuracy | None = None
    against_replaced: PairedComparison | None = None
    worse_than_replaced: bool = False
    challenge: Challenge | None = None
    breakdown: Breakdown | None = None
    blind_test: BlindTest | None = None
    price_kind: str = ""
    other_kinds: Mapping[str, int] = field(default_factory=dict)

    @property
    def summary(self) -> str:
        """The outcome in a sentence or two."""
        told = [self.report.summary]
        if self.against_replaced is not None and self.worse_than_replaced:
            told.append(describe_loss(self.replaced, self.against_replaced))
        if self.blind_test is not None and not self.blind_test.insufficient:
            told.append(self.blind_test.summary)
        if self.other_kinds:
            others = ", ".join(f"{rows:,} {kind}" for kind, rows in self.other_kinds.items())
            told.append(f"Prices of another kind than is predicted ({self.price_kind}) are left out: {others}.")
        return " ".join(told)


@dataclass(frozen=True)
class PerformanceJudge:
    """Judges the version in production on labelled predictions.

    Parameters
    ----------
    market : Market
    registry : ModelRegistry
    references : References
    config : PerformanceConfig
    warn : callable
        Is told what could not be compared, in a sentence: that holds up no report.
    """

    market: Market
    registry: ModelRegistry
    references: References
    config: PerformanceConfig
    warn: Callable[[str], None]

    def judge(self, labelled: Frames, window: DayProfiles, day: date) -> Performance:
        """Return how the version in production performs.

        Parameters
        ----------
        labelled : Frames
            Labelled predictions, with the columns of ``KEPT``.
        window : DayProfiles
            Of whose predictions the accuracy is estimated without labels.
        day : date
            Whose report it is.
        """
        others = count_others(labelled.read(COUNTED))
        return replace(self._judge(labelled, window, day), price_kind=self.market.price_kind, other_kinds=others)

    def _judge(self, labelled: Frames, window: DayProfiles, day: date) -> Performance:
        by_day = summarize_labels(labelled.read(SUMMARIZED), self.references.labels_of)
        production = self.references.production
        if production is None:
            return Performance(0, 0, PerformanceReport.skipped("Not judged: no version is in production."), by_day)
        version, replaced = production.number, int(production.tags.get(REPLACED, 0))
        labels = self.references.labels_of(version)
        if labels is not None and labels.price_kind not in ("", self.market.price_kind):
            reason = f"Not judged: version {version} predicts {labels.price_kind} prices, the market declares others."
            return Performance(version, replaced, PerformanceReport.skipped(reason), by_day)
        reference = self.references.of(version)
        if reference is None:
            reason = f"Not judged: {'; '.join(self.references.troubles)}."
            return Performance(version, replaced, PerformanceReport.skipped(reason), by_day)
        holdout = reference.holdout
        try:
            fresh = label_window(by_day.get(version, {}), day, self.config.min_rows)
            merged = merge_outcomes(holdout.categories, fresh)
            report = judge_performance(holdout, merged, self.config.thresholds())
        except ProfileRefused as refusal:
            return Performance(version, replaced, PerformanceReport.skipped(f"Not judged: {refusal}."), by_day)
        segments = {}
        if labels is not None and not report.insufficient:
            segments = summarize_segments(self.market, labelled.read(), version, labels, fresh.keys())
        profile = window.by_version.get(version)
        against_replaced = (
            None if report.insufficient else self._compare_with_replaced(labelled, version, replaced, day)
        )
        return Performance(
            version,
            replaced,
            report,
            by_day,
            holdout,
            accuracy_without_labels(holdout, profile.predictions) if profile and profile.predictions.rows else None,
            against_replaced,
            against_replaced is not None
            and against_replaced.is_worse(self.config.replaced_drop, self.config.performance_p),
            self._judge_challenger(labelled, version),
            break_down(holdout, merged, reference.segments, segments, self.config.thresholds()),
            self._judge_estimates(labelled, version, fresh.keys()),
        )

    def _judge_estimates(self, labelled: Frames, version: int, days: Collection[date]) -> BlindTest | None:
        if not self.market.has_price:
            return None
        return run_blind_test(read_valuations(labelled.read(VALUED), version, days), self.config.thresholds())

    def _compare_with_replaced(
        self, labelled: Frames, version: int, replaced: int, day: date
    ) -> PairedComparison | None:
        from mlflow.exceptions import MlflowException

        if not replaced:
            return None
        before, labels = self.references.version(replaced), self.references.labels_of(version)
        if before is None or labels is None or not self._means_the_same(version, replaced):
            self.warn(f"version {replaced} is not registered any more, or its categories mean something else")
            return None
        rows = first_rows(labelled.read(), ANSWER, version, self.config.compared_rows)
        if len(rows) and day - rows["predicted_at"].min().date() > timedelta(days=self.config.trial_days):
            return None
        try:
            return compare_with_replaced(self.market, labels, rows, before, self.registry)
        except (MlflowException, ValueError, OSError) as fault:
            self.warn(f"version {replaced} cannot be compared with: {fault}")
            return None

    def _judge_challenger(self, labelled: Frames, version: int) -> Challenge | None:
        challenger, labels = self.references.challenger, self.references.labels_of(version)
        if challenger is None or labels is None:
            return None
        pairs = pair_with_shadow(labelled, version, challenger.number, self.config.compared_rows)
        answered = first_rows(labelled.read(), ANSWER, challenger.number, self.config.compared_rows)
        if not len(pairs) and not len(answered):
            return None
        if not self._means_the_same(version, challenger.number):
            return Challenge.not_judged(challenger.number, "its categories mean something else")
        return judge_challenger(
            labels,
            self._add_answered(pairs, answered, version),
            challenger.number,
            min_rows=self.config.min_rows,
            largest_p=self.config.performance_p,
            margin=self.config.replaced_drop,
        )

    def _add_answered(self, pairs: "pd.DataFrame", answered: "pd.DataFrame", version: int) -> "pd.DataFrame":
        """Return pairs with what the challenger answered behind them, and the champion would have."""
        import pandas as pd
        from mlflow.exceptions import MlflowException

        champion = self.references.version(version)
        if not len(answered) or champion is None:
            return pairs
        try:
            again = answer_again(self.market, answered, champion, self.registry)
        except (MlflowException, ValueError, OSError) as fault:
            self.warn(f"version {version} cannot answer what the challenger has answered: {fault}")
            return pairs
        beside = answered.assign(**{ANSWERED: again})[[*PAIRED, ANSWERED]]
        return pd.concat([pairs[[*PAIRED, ANSWERED]], beside], ignore_index=True)

    def _means_the_same(self, *versions: int) -> bool:
        """Return whether the categories of some versions are the same, with the same edges of one kind of price."""
        schemes = [self.references.labels_of(version) for version in versions]
        kinds = {scheme.price_kind for scheme in schemes if scheme is not None and scheme.price_kind}
        return len({scheme and scheme.terms() for scheme in schemes}) == 1 and len(kinds) <= 1
