"""The evaluation of one forest on the holdout: metrics, segments and pictures."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np

from housing_assets.confusion import count_confusion
from housing_assets.features.encoded import EncodedListings
from housing_assets.features.split import HELD_OUT
from housing_assets.features.token_counts import common_tokens
from housing_assets.inference.estimate import PriceEstimator
from housing_assets.inference.forest import FlatForest
from housing_assets.shards import split_rows
from housing_assets.valuation import figures_by_area
from resources.compute.engines import LOCAL, Engine

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class EvaluationReport:
    """What the holdout says about a forest.

    Attributes
    ----------
    forest_digest : str
        Of the forest that was judged.
    metrics : mapping of str to float
        See ``evaluation.evaluate``; where the market has prices, with those of ``valuation.figures_by_area``.
    probabilities : ndarray of shape (n_holdout, n_classes)
        Of the held-out listings, in their order.
    segments : DataFrame
        See ``evaluation.errors_by_segment``.
    valued_segments : DataFrame
        ``segment``, ``value`` and the valuers' figures of each; without rows where the market has no prices.
    contributions : DataFrame
        See ``contributions.mean_contributions``.
    pictures : mapping of str to bytes
        PNGs by name.
    passed : bool
        Whether it passed the quality gates.
    """

    forest_digest: str
    metrics: Mapping[str, float]
    probabilities: np.ndarray
    segments: "pd.DataFrame"
    valued_segments: "pd.DataFrame"
    contributions: "pd.DataFrame"
    pictures: Mapping[str, bytes]
    passed: bool = False

    @classmethod
    def of(
        cls,
        forest: FlatForest,
        encoded: EncodedListings,
        crossed: "pd.DataFrame",
        estimator: PriceEstimator,
        engine: Engine = LOCAL,
    ) -> Self:
        """Judge a forest, and the estimates by its leaves, on the held-out side of encoded listings."""
        from housing_assets.training import evaluation, plots
        from housing_assets.training.contributions import mean_contributions

        y, categories, segments = encoded.y_holdout, encoded.labels.categories, encoded.encoder.market.segments
        shares = engine.map_shards(forest.predict_proba, split_rows(encoded.X_holdout, engine))
        probabilities = np.concatenate(list(shares))
        held_out = crossed[crossed[HELD_OUT]]
        valued = _value(forest, encoded, held_out, estimator)
        contributions = mean_contributions(forest, encoded, crossed, estimator)
        curve = evaluation.calibration_curve(y, probabilities)
        counts = count_confusion(y, probabilities.argmax(axis=1), len(categories))
        return cls(
            forest_digest=forest.digest(),
            metrics={**evaluation.evaluate(y, probabilities, categories), **valued.figures},
            probabilities=probabilities,
            segments=evaluation.errors_by_segment(held_out, segments, y, probabilities),
            valued_segments=valued.segments,
            contributions=contributions,
            pictures={
                **valued.pictures,
                "confusion_matrix": plots.confusion_matrix(counts, categories),
                "calibration": plots.calibration(curve, len(categories)),
                "feature_importance": plots.importance(_named_importance(forest, encoded, crossed)),
                "contributions": plots.contributions(contributions),
            },
        )

    def require_passed(self) -> None:
        """Refuse to vouch for a forest that failed a gate.

        A blocking check holds back what comes after it in its own run only; this holds in every later run, too.

        Raises
        ------
        ValueError
            That names what to materialize.
        """
        if not self.passed:
            raise ValueError(
                "model_evaluation failed a quality gate: see its checks, and materialize price_forest again"
            )

    def save(self, folder: Path) -> None:
        """Write metrics, probabilities, segments and pictures to a folder."""
        judged = {"forest_digest": self.forest_digest, "passed": self.passed}
        (folder / "judged.json").write_text(json.dumps(judged))
        (folder / "metrics.json").write_text(json.dumps(dict(self.metrics), indent=1, sort_keys=True))
        np.save(folder / "probabilities.npy", self.probabilities)
        self.segments.to_parquet(folder / "segments.parquet", index=False)
        self.valued_segments.to_parquet(folder / "valued_segments.parquet", index=False)
        self.contributions.to_parquet(folder / "contributions.parquet", index=False)
        for name, png in self.pictures.items():
            (folder / f"{name}.png").write_bytes(png)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what ``save`` wrote."""
        import pandas as pd

        return cls(
            **json.loads((folder / "judged.json").read_text()),
            metrics=json.loads((folder / "metrics.json").read_text()),
            probabilities=np.load(folder / "probabilities.npy", allow_pickle=False),
            segments=pd.read_parquet(folder / "segments.parquet"),
            valued_segments=pd.read_parquet(folder / "valued_segments.parquet"),
            contributions=pd.read_parquet(folder / "contributions.parquet"),
            pictures={path.stem: path.read_bytes() for path in sorted(folder.glob("*.png"))},
        )


class _Valued(NamedTuple):
    figures: Mapping[str, float]
    segments: "pd.DataFrame"
    pictures: Mapping[str, bytes]


def _value(
    forest: FlatForest, encoded: EncodedListings, held_out: "pd.DataFrame", estimator: PriceEstimator
) -> _Valued:
    """Judge the estimates of held-out listings as valuers do; nothing is said where there are none."""
    import pandas as pd

    from housing_assets.training import plots
    from housing_assets.training.estimate_learning import Priced, judge_estimates

    if estimator.is_empty:
        return _Valued({}, pd.DataFrame({"segment": [], "value": []}, dtype=str), {})
    market = encoded.encoder.market
    priced = Priced.of(market, encoded.X_holdout, held_out, encoded.known_log_prices_holdout)
    valuations = judge_estimates(estimator, forest, priced)
    key = estimator.calibration.key
    figures, by_segment = figures_by_area(valuations, key, priced.texts)
    table = pd.DataFrame([{"segment": one.segment, "value": one.value, **one.figures} for one in by_segment])
    return _Valued(figures, table, {"price_estimates": plots.estimates(valuations, market.currency)})


def _named_importance(forest: FlatForest, encoded: EncodedListings, crossed: "pd.DataFrame") -> dict[str, float]:
    names = dict(enumerate(encoded.encoder.column_names)) | common_tokens(encoded.encoder, crossed)
    return {names[column]: share for column, share in zip(forest.columns.tolist(), forest.importance, strict=True)}
