"""Holds a challenger against the champion, and the best version before it, on listings that none of them knows."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from housing_assets.features.encoded import EncodedListings
from housing_assets.features.split import HELD_OUT
from housing_assets.inference.artifact import ArtifactRefused, ModelArtifact
from housing_assets.inference.declaration import Column
from housing_assets.inference.market import Market
from housing_assets.inference.rule_base import Rule
from housing_assets.listings.origins import ASKED_ON, ORIGIN
from housing_assets.listings.origins import PRODUCTION as FROM_PRODUCTION
from housing_assets.packaging import batch
from housing_assets.training.parameters import MIN_FRESH, PromotionRule
from housing_assets.training.promotion import (
    MAX_TESTS,
    Decision,
    Evidence,
    compare,
    decide,
    measure_fall,
)
from resources.mlflow.registry import PRODUCTION, ModelRegistry, Version

if TYPE_CHECKING:
    import pandas as pd

BEST = "best_version"
"""Tag of a version: the one that its losses are counted from, itself where it was shown to be better than that one."""

COMPARED_WITH = "compared_with"
"""Tag of a version: the champion that it was held against."""

TESTS, JUDGED = "tests_of_rows", "judged_rows"
"""Tags of a version: how many decisions in a row were taken on the same rows, and the smallest hashes of these."""

N_HASHES = 64
"""Hashes kept of the rows: the share that two decisions have in common is then sure to 6 points."""

SAME_ROWS = 1 / 3
"""Share of the rows of either decision that both have from which on they count as the same: half of two equal sets."""


def decide_promotion(
    registry: ModelRegistry,
    market: Market,
    crossed: "pd.DataFrame",
    encoded: EncodedListings,
    challenger: np.ndarray,
    forest_digest: str,
    rule: PromotionRule,
) -> Decision:
    """Compare the challenger with the champion on the held-out listings, and decide.

    Where enough of them are fresh, which are labelled requests, these decide: when prices no longer follow from
    listings as they did, the older rows speak for the version that learned the old prices. How far it falls on those is
    limited, too.

    Parameters
    ----------
    registry : ModelRegistry
    market : Market
        What the listings were read by.
    crossed : DataFrame
        All crossed listings, with ``origin``; the other versions cross and encode them with their own encoders.
    encoded : EncodedListings
    challenger : ndarray of shape (n_holdout, n_classes)
        Its probabilities for the held-out listings.
    forest_digest : str
        Of the challenger's forest, by which it is known if it was judged before.
    rule : PromotionRule
    """
    champion = registry.with_alias(PRODUCTION)
    if champion is None:
        return decide(None, rule, new_lineage=False)
    versions = {version.number: version for version in registry.versions()}
    if champion.tags["lineage"] != encoded.labels.lineage:
        if any(version.tags["lineage"] == encoded.labels.lineage for version in versions.values()):
            return Decision(
                False,
                f"is of lineage {encoded.labels.lineage}, from which production was taken back to "
                f"{champion.tags['lineage']}: materialize price_bands and all below it to follow production",
            )
        return decide(None, rule, new_lineage=True)
    listings = crossed[crossed[HELD_OUT]]
    try:
        answers = _answers(registry, champion, market, listings)
    except ArtifactRefused as refusal:
        return Decision(False, f"cannot be compared: the champion, version {champion.number}, {refusal}")
    is_fresh = (listings[ORIGIN] == FROM_PRODUCTION).to_numpy()
    by_fresh = int(is_fresh.sum()) >= MIN_FRESH
    judged = is_fresh if by_fresh else np.ones(len(listings), dtype=bool)
    rows = _smallest_hashes(market, listings[judged])
    tests = _tests_in_a_row(versions, champion, encoded.labels.lineage, forest_digest, rows)
    truth, risk = encoded.y_holdout, rule.risk_of(fresh=by_fresh, tests=tests)
    best = versions.get(int(champion.tags.get(BEST, champion.number)), champion)
    try:
        of_best = answers if best.number == champion.number else _answers(registry, best, market, listings)
    except ArtifactRefused:  # of an older release, say: from then on losses count from the champion
        best, of_best = champion, answers
    old = None
    if by_fresh and not judged.all():
        old = measure_fall(truth[~judged], challenger[~judged], answers[~judged])
    evidence = Evidence(
        champion=compare(truth[judged], challenger[judged], answers[judged], risk=risk),
        best=compare(truth[judged], challenger[judged], of_best[judged], risk=risk),
        best_version=best.number,
        fresh=by_fresh,
        tests=tests,
        old=old,
        windows=_windows(listings[ASKED_ON].to_numpy()[judged]) if by_fresh and ASKED_ON in listings else "",
    )
    decision = decide(evidence, rule, new_lineage=False)
    tags = {COMPARED_WITH: str(champion.number), TESTS: str(tests), JUDGED: rows}
    if evidence.best.low <= 0:
        tags[BEST] = str(best.number)  # else it is itself the one that losses count from
    return Decision(decision.promoted, decision.reason, tags)


def _answers(registry: ModelRegistry, version: Version, market: Market, listings: "pd.DataFrame") -> np.ndarray:
    """Return what a version says of listings.

    Raises
    ------
    ArtifactRefused
        If it cannot be loaded, or reads them otherwise than the market does now.
    """
    with TemporaryDirectory() as folder:
        try:
            model = ModelArtifact.load(registry.download(version, Path(folder)))
        except ArtifactRefused as refusal:
            raise ArtifactRefused(f"is refused: {refusal}") from refusal
    present = {_reading(column) for column in market.columns}
    otherwise = [column.raw for column in model.market.columns if _reading(column) not in present]
    if otherwise:
        raise ArtifactRefused(
            f"reads {', '.join(otherwise)}, which the declaration no longer has, or reads by another rule: move the "
            f"alias {PRODUCTION} by hand"
        )
    return batch.probabilities(model, listings)


def _reading(column: Column) -> tuple[str, Rule, tuple[str, ...]]:
    return column.raw, column.rule, tuple(value.name for value in column.values)


def _smallest_hashes(market: Market, listings: "pd.DataFrame") -> str:
    """Return the smallest hashes of rows, as text: bottom-k, by which sets of rows are compared without being kept."""
    import pandas as pd

    names = [value.name for value in market.values() if value.name in listings]
    hashes = np.unique(pd.util.hash_pandas_object(listings[names], index=False).to_numpy() >> np.uint64(32))
    return " ".join(f"{one:08x}" for one in hashes[:N_HASHES].tolist())


def _tests_in_a_row(
    versions: Mapping[int, Version], champion: Version, lineage: str, forest_digest: str, rows: str
) -> int:
    """Return the number of this decision among those that were taken one after the other on the same rows."""
    decided = [one for one in versions.values() if one.tags.get("lineage") == lineage and JUDGED in one.tags]
    if not decided:
        return 1
    last = max(decided, key=lambda version: version.number)
    asked_before = [last.tags.get(tag) for tag in ("forest_digest", COMPARED_WITH, JUDGED)]
    if asked_before == [forest_digest, str(champion.number), rows]:
        return int(last.tags[TESTS])  # a run that was broken off is taken up again: the same question, the same answer
    before, now = set(last.tags[JUDGED].split()), set(rows.split())
    of_both = sorted(before | now)[:N_HASHES]
    in_common = sum(one in before and one in now for one in of_both) / max(len(of_both), 1)
    return min(int(last.tags[TESTS]) + 1, MAX_TESTS) if in_common >= SAME_ROWS else 1


def _windows(days: np.ndarray) -> str:
    counted = Counter(np.datetime_as_string(days.astype("datetime64[D]")).tolist())
    return ", ".join(f"{day} ({rows:,})" for day, rows in sorted(counted.items()))
