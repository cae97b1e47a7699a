"""The card of a version that a release without cards has trained: what is still known of it, and what is not."""

from collections.abc import Mapping

from housing_assets.inference.artifact import ModelArtifact
from housing_assets.packaging.card.document import Document, Section
from housing_assets.packaging.card.figures import OF_CATEGORIES, by_category, figures_table, show
from housing_assets.packaging.card.limits import COLUMNS_ALONE, weakest_category
from housing_assets.packaging.card.shared_sections import fairness, lineage, purpose
from resources.mlflow.registry import DECISION, Version

NOT_KNOWN = (
    "It was trained by a release that wrote no model card. Which listings it learned from, how well it does by segment "
    "and on newer listings, and what its answers rest on were not kept: the card of a version that is trained anew has "
    "them."
)


def write_upgraded_card(
    version: Version, former: str, artifact: ModelArtifact, parameters: Mapping[str, str]
) -> Document:
    """Return the card of a version that was registered anew.

    Parameters
    ----------
    version : Version
    former : str
        The version whose model it has.
    artifact : ModelArtifact
    parameters : mapping of str to str
        Of the run that trained it.
    """
    market, metrics, tags = artifact.market, artifact.metrics, version.tags
    made_of = f", made of {int(listings):,} listings" if (listings := artifact.provenance.get("listings")) else ""
    return Document(
        title=f"Model card: {market.title}, version {version.number}",
        summary=f"The model of version {former}{made_of}, registered anew: macro-F1 "
        f"{show('macro_f1', metrics['macro_f1'])} on listings that were held out. A part of a card: much was not kept.",
        sections=(
            purpose(market, estimates=artifact.estimator is not None),
            Section("Limits", points=(NOT_KNOWN, weakest_category(market, metrics), COLUMNS_ALONE)),
            Section(
                "How well it tells categories",
                ("As it was judged when it was trained.",),
                tables=(
                    figures_table("On held-out listings", OF_CATEGORIES, metrics),
                    by_category(metrics, market.categories),
                ),
            ),
            fairness(market, by_segment=False),
            Section(
                "Decision",
                (
                    f"On version {former}: {tags.get(DECISION, 'none is known')}"
                    f"{f', {why}' if (why := tags.get('reason')) else ''}.",
                    "What became of it later (a rollback, say) stands in the registry: housing versions.",
                ),
            ),
            lineage(version.number, version.run_id, tags, market, parameters),
        ),
    )
