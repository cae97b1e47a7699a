"""Putting a trained model together as an artifact: what is done once, where the training stack is."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from housing_assets.features.bands import PriceBands
from housing_assets.features.crossing import cross_frame
from housing_assets.features.encoder import ListingEncoder
from housing_assets.listings.columns import COLUMNS, TARGET, Role
from housing_assets.packaging.artifact import PROBABILITY_NAMES, REASON, GoldenRow, ModelArtifact
from housing_assets.packaging.rule import PriceRule
from housing_assets.training.flat_forest import FlatForest

if TYPE_CHECKING:
    import pandas as pd

N_GOLDEN = 20


def assemble(
    encoder: ListingEncoder,
    forest: FlatForest,
    bands: PriceBands,
    metrics: Mapping[str, float],
    provenance: Mapping[str, str],
    listings: "pd.DataFrame",
    reference: str = "",
) -> ModelArtifact:
    """Return the artifact of a trained model, with the rule learned and the golden rows predicted.

    Parameters
    ----------
    encoder, forest, bands, metrics, provenance, reference
        As in ``ModelArtifact``.
    listings : DataFrame of shape (n_rows, n_values)
        All typed listings; those that the bands hold out are not read.
    """
    crossed = cross_frame(listings[~bands.held_out(listings)])
    rule = PriceRule.learn(crossed, bands, bands.labels(crossed[TARGET].to_numpy()))
    artifact = ModelArtifact(encoder, forest, bands, rule, (), metrics, provenance, reference)
    examples = example_listings(2 * N_GOLDEN)
    answers = artifact.predict(examples)
    probabilities = answers[PROBABILITY_NAMES].to_numpy().tolist()
    golden = [
        GoldenRow({str(name): cell for name, cell in cells.items() if cell is not None}, tuple(expected))
        for cells, expected, reason in zip(examples.to_dict("records"), probabilities, answers[REASON], strict=True)
        if reason is None
    ]
    return replace(artifact, golden=golden[:N_GOLDEN])


def example_listings(n_rows: int) -> "pd.DataFrame":
    """Return synthetic raw listings without their prices: examples of the model's input."""
    from housing_assets.listings.sample import synthetic_listings

    read = [column.raw for column in COLUMNS if column.values[0].role is not Role.TARGET]
    sample = synthetic_listings(n_rows, seed=0)[read].astype(object)
    return sample.where(sample.notna(), None)
