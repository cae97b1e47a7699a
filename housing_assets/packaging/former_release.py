"""Reads the model artifacts of the former release (format 3).

They have no declaration of their market, and do not name their categories: the market says both.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from housing_assets.inference.artifact import (
    ENCODER,
    GOLDEN,
    MANIFEST,
    METRICS,
    REFERENCE,
    UPGRADABLE,
    ArtifactRefused,
    GoldenRow,
    ModelArtifact,
    require_intact,
)
from housing_assets.inference.encoder import FittedEncoder
from housing_assets.inference.fallback import FILE as RULE
from housing_assets.inference.fallback import FallbackRule
from housing_assets.inference.forest import FILE as FOREST
from housing_assets.inference.forest import FlatForest
from housing_assets.inference.labels import LabelScheme
from housing_assets.inference.market import Market
from housing_assets.inference.scores import LinearScores, score_names
from housing_assets.monitoring.profiles.reference import Reference

BANDS = "bands.json"
FILES = (ENCODER, FOREST, BANDS, RULE, GOLDEN, METRICS, REFERENCE)

_ENCODER_FORMAT, _RULE_FORMAT = 3, 1


def read_former(folder: Path, market: Market) -> ModelArtifact:
    """Read an artifact of format 3.

    Parameters
    ----------
    folder : Path
    market : Market
        Whose listings the model was trained on; format 3 does not say. The artifact's has no local kernel.

    Raises
    ------
    ArtifactRefused
        If it is damaged, has another format, or was trained on other columns than the market declares.
    """
    manifest = _read_manifest(folder)
    try:
        return _read_parts(folder, replace(market, local=None), manifest["provenance"])  # there were no local scores
    except (ValueError, KeyError, TypeError, IndexError) as fault:
        raise ArtifactRefused(f"{folder}: {fault}") from fault


def _read_manifest(folder: Path) -> dict[str, Any]:
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_bytes())
        found, checksums = manifest["format"], dict(manifest["sha256"])
        manifest["provenance"] = dict(manifest["provenance"])
    except (OSError, ValueError, KeyError, TypeError) as fault:
        raise ArtifactRefused(f"{folder}: no readable {MANIFEST}: {fault}") from None
    if found != UPGRADABLE:
        raise ArtifactRefused(f"{folder}: its format is {found}, only {UPGRADABLE} can be upgraded")
    if set(checksums) != set(FILES):
        raise ArtifactRefused(f"{folder}: its manifest names {sorted(checksums)}, expected {sorted(FILES)}")
    require_intact(folder, checksums)
    return manifest


def _read_parts(folder: Path, market: Market, provenance: Mapping[str, str]) -> ModelArtifact:
    scheme = _labels(_read_json(folder, BANDS), market)
    forest = FlatForest.load(folder)
    if forest.digest() != provenance.get("forest_digest", forest.digest()):
        raise ValueError(f"its forest is not that of its provenance, {provenance['forest_digest']}")
    reference = (folder / REFERENCE).read_text(encoding="utf-8")
    return ModelArtifact(
        market=market,
        encoder=_encoder(_read_json(folder, ENCODER), market),
        forest=forest,
        labels=scheme,
        rule=_rule(_read_json(folder, RULE), market, scheme),
        golden=[GoldenRow(row["cells"], tuple(row["probabilities"])) for row in _read_json(folder, GOLDEN)],
        metrics=_read_json(folder, METRICS),
        provenance=provenance,
        reference=Reference.from_old_json(reference, market.categories).to_json() if reference else "",
    )


def _labels(stored: Mapping[str, Any], market: Market) -> LabelScheme:
    if stored["currency"] != market.currency:
        raise ValueError(f"its price bands are in {stored['currency']}, prices of {market.name} in {market.currency}")
    if len(stored["edges"]) != len(market.categories) - 1:
        raise ValueError(f"it has {len(stored['edges']) + 1} price bands, {market.name} has {len(market.categories)}")
    of_market = {"categories": market.categories, "identity": market.identity, "price_kind": market.price_kind}
    return LabelScheme.from_dict({**stored, **of_market})


def _encoder(stored: Mapping[str, Any], market: Market) -> FittedEncoder:
    _require_format("encoder", stored, _ENCODER_FORMAT)
    declared = [*(name for name, _, _ in market.encoded_numbers), *market.encoded_texts]
    if stored["columns"] != declared:
        differing = sorted(set(stored["columns"]) ^ set(declared)) or ["their order"]
        raise ValueError(
            f"it was trained on another declaration than that of {market.name}, which differs in "
            f"{', '.join(differing)}: set HOUSING_MARKET to the market that it was trained on"
        )
    scores = LinearScores.from_dict(stored["scores"])
    if scores.coefficients.shape[1] != len(score_names(market)):
        raise ValueError(f"its encoder has {scores.coefficients.shape[1]} scores, not {len(score_names(market))}")
    return FittedEncoder(market, stored["parameters"], scores, frozenset(map(int, stored["known_tokens"])))


def _rule(stored: Mapping[str, Any], market: Market, scheme: LabelScheme) -> FallbackRule:
    _require_format("rule", stored, _RULE_FORMAT)
    shares = {tuple(map(str, values)): tuple(map(float, found)) for values, found in stored["shares"]}
    return FallbackRule(market, scheme, shares)


def _require_format(what: str, stored: Mapping[str, Any], expected: int) -> None:
    if stored["format"] != expected:
        raise ValueError(f"the format of its {what} is {stored['format']}, expected {expected}")


def _read_json(folder: Path, name: str) -> Any:
    return json.loads((folder / name).read_text(encoding="utf-8"))
