"""What holds for every asset, mapped in one place: its owner, the version of its code, and where its market stands.

Raise an asset's code version when the same inputs give another value: the lineage page then shows what is out of date.
"""

from collections.abc import Sequence

import dagster as dg

OWNER = "team:pricing"
"""Whom the lineage page names, and whom alerts of a deployment go to."""

CODE_VERSIONS = {
    "raw_listings": "2",  # with their origin, and without labelled ones
    "labelled_listings": "2",  # with their days, of days that were judged
    "listings": "4",  # without implausible prices
    "quarantined_listings": "2",  # with implausible prices
    "price_bands": "2",  # name their categories
    "crossed_features": "2",  # hold the split
    "hashed_features": "3",  # with local scores at the prices of one month
    "reference_profile": "3",  # with magnitudes and prices
    "production_predictions": "3",  # with the keys of their requests
    "production_profile": "4",  # with magnitudes
    "production_labels": "4",  # of days that are not held
    "registered_model": "3",  # names the days of production that it learned from
}
"""Those not named are at version 1."""


def apply_policies(assets: Sequence[dg.AssetsDefinition]) -> list[dg.AssetsDefinition]:
    """Return the assets with owners and code versions."""
    return [asset.map_asset_specs(_with_policies) for asset in assets]


def apply_policies_to_specs(specs: Sequence[dg.AssetSpec]) -> list[dg.AssetSpec]:
    """Return assets that are only observed with owners."""
    return [spec.replace_attributes(owners=[OWNER]) for spec in specs]


def prefixed_keys(
    assets: Sequence[dg.AssetsDefinition], specs: Sequence[dg.AssetSpec], prefix: Sequence[str]
) -> dict[dg.AssetKey, dg.AssetKey]:
    """Return the keys of assets, each with the same one behind a prefix: what ``with_attributes`` replaces."""
    keys = {key for definition in assets for key in definition.keys} | {spec.key for spec in specs}
    return {key: key.with_prefix(prefix) for key in keys} if prefix else {}


def _with_policies(spec: dg.AssetSpec) -> dg.AssetSpec:
    name = spec.key.path[-1]
    return spec.replace_attributes(owners=[OWNER], code_version=CODE_VERSIONS.get(name, "1"))
