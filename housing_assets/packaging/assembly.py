"""Putting a trained model together as an artifact: what is done once, where the training stack is."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from housing_assets.features.encoded import EncodedListings
from housing_assets.features.split import HELD_OUT
from housing_assets.features.token_counts import count_token_sources
from housing_assets.inference.artifact import GoldenRow, ModelArtifact
from housing_assets.inference.estimate import PriceEstimator
from housing_assets.inference.forest import FlatForest
from housing_assets.inference.market import Market
from housing_assets.listings.cleaning import ROW
from housing_assets.listings.origins import ORIGIN, PRODUCTION
from housing_assets.packaging.batch import REASON, predict_frame, probability_names
from housing_assets.training.fallback_learning import learn_fallback

if TYPE_CHECKING:
    import pandas as pd

N_GOLDEN = 20


def assemble(
    encoded: EncodedListings,
    forest: FlatForest,
    metrics: Mapping[str, float],
    provenance: Mapping[str, str],
    crossed: "pd.DataFrame",
    raw: "pd.DataFrame",
    reference: str = "",
    estimator: PriceEstimator | None = None,
) -> ModelArtifact:
    """Return the artifact of a trained model, with the fallback rule learned and the golden rows predicted.

    Parameters
    ----------
    encoded : EncodedListings
        What the forest was grown on, with the encoder.
    forest, metrics, provenance, reference
        As in ``ModelArtifact``.
    estimator : PriceEstimator, optional
        An empty one is left out.
    crossed : DataFrame of shape (n_rows, n_values)
        All crossed listings, with ``held_out``.
    raw : DataFrame of shape (n_raw_rows, n_columns)
        The raw rows that they were read from, of which golden rows are taken.
    """
    market, labels = encoded.encoder.market, encoded.labels
    training = crossed[~crossed[HELD_OUT]]
    rule = learn_fallback(market, labels, training, encoded.y_train)
    sources = count_token_sources(encoded.encoder, training, forest.columns)
    estimator = None if estimator is None or estimator.is_empty else estimator
    artifact = ModelArtifact(
        market, encoded.encoder, forest, labels, rule, (), metrics, provenance, reference, estimator, sources
    )
    return replace(artifact, golden=_golden_rows(artifact, draw_held_out(market, crossed, raw, 2 * N_GOLDEN)))


def draw_held_out(market: Market, crossed: "pd.DataFrame", raw: "pd.DataFrame", n_rows: int) -> "pd.DataFrame":
    """Return raw listings that no version of the lineage was trained on: at most so many, always the same of a frame.

    Their targets and columns that can lead to a person are left out; where one is required, its example stands.

    Parameters
    ----------
    market : Market
    crossed : DataFrame of shape (n_listings, n_values)
        With ``row``, ``origin`` and ``held_out``.
    raw : DataFrame of shape (n_raw_rows, n_columns)
    n_rows : int
    """
    rows = crossed.loc[crossed[HELD_OUT] & (crossed[ORIGIN] != PRODUCTION), ROW]
    chosen = rows.sample(min(len(rows), n_rows), random_state=0)
    names = [column.raw for column in market.inputs if not column.personal]
    drawn = raw.loc[chosen, names].astype(object).reset_index(drop=True)
    examples = {column.raw: column.example for column in market.inputs if column.personal and column.required}
    return drawn.where(drawn.notna(), None).assign(**examples)


def _golden_rows(artifact: ModelArtifact, examples: "pd.DataFrame") -> list[GoldenRow]:
    answers = predict_frame(artifact, examples)
    shares = answers[probability_names(artifact.labels.categories)].to_numpy().tolist()
    return [
        GoldenRow({str(name): _plain(cell) for name, cell in cells.items() if cell is not None}, tuple(expected))
        for cells, expected, reason in zip(examples.to_dict("records"), shares, answers[REASON], strict=True)
        if reason is None
    ][:N_GOLDEN]


def _plain(cell: Any) -> Any:
    """Return a cell as JSON holds it: a day, say, as its text, which the rules read as well."""
    return cell if isinstance(cell, str | int | float | bool) else str(cell)
