"""The check of new listings before anything is trained on them."""

from functools import partial
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

from housing_assets.inference.market import Market
from resources.mlflow.registry import ModelRegistry
from resources.retries import retried

if TYPE_CHECKING:
    from pandas import DataFrame

    from housing_assets.monitoring.plausibility import Facts
else:
    DataFrame = Any

NAME = "plausible"

_REMEMBERED = 100
"""Evaluations that are looked through for one that was accepted."""


class PlausibilityConfig(dg.Config):
    """What a person accepts although it is implausible."""

    accept: list[str] = Field(
        default=[], description="What is implausible and accepted in this run: rows, quarantine, input, prices, kind."
    )
    reason: str = Field(default="", description="Why; kept with the check.")


def plausibility_check(asset: dg.AssetKey) -> dg.AssetChecksDefinition:
    """Return the check of listings against the champion's profile and those that were accepted last.

    Parameters
    ----------
    asset : AssetKey
        Of the listings.
    """

    @dg.asset_check(
        asset=asset,
        name=NAME,
        blocking=True,
        description="Rows, quarantine, columns and prices are of the size that the version in production learned from; "
        "synthetic listings are not beside real ones.",
    )
    @retried
    def plausible(
        context: dg.AssetCheckExecutionContext,
        config: PlausibilityConfig,
        listings: DataFrame,
        registry: ModelRegistry,
        market: dg.ResourceParam[Market],
    ) -> dg.AssetCheckResult:
        """Hold the listings against those of before; what a person accepts is recorded."""
        from housing_assets.monitoring.plausibility import KINDS, describe, facts_of, find_implausible
        from housing_assets.monitoring.production.references import References
        from housing_assets.monitoring.profiles.refused import ProfileRefused
        from housing_assets.monitoring.thresholds import Thresholds

        if not set(config.accept) <= set(KINDS):
            raise dg.Failure(f"accept is {config.accept}: expected some of {', '.join(KINDS)}")
        if config.accept and not config.reason.strip():
            raise dg.Failure("something implausible is accepted without a reason: give one beside accept")
        references = References(registry)
        production = references.production
        champion = references.of(production.number) if production else None
        facts = facts_of(market, listings, **_counts(context.instance, asset))
        last = _accepted_last(context.instance, dg.AssetCheckKey(asset, NAME), synthetic=facts.synthetic)
        kept = registry.lineage_contract()
        find = partial(
            find_implausible,
            market,
            listings,
            facts,
            last=last,
            synthetic=bool(kept["synthetic"]) if kept else facts.synthetic,
            limits=Thresholds(),
        )
        try:
            found = find(champion=champion)
        except ProfileRefused as refusal:
            references.troubles.append(f"not held against version {production and production.number}: {refusal}")
            found = find(champion=None)
        for trouble in references.troubles:
            context.log.warning(trouble)
        return dg.AssetCheckResult(
            passed={one.kind for one in found} <= set(config.accept),
            severity=dg.AssetCheckSeverity.ERROR,
            description=describe(found, config.accept),
            metadata={
                "rows": facts.rows,
                "quarantined_share": facts.quarantined,
                "median_price": facts.median_price,
                "synthetic": facts.synthetic,
                "implausible": dg.MetadataValue.json([str(one) for one in found]),
                "accepted": ", ".join(config.accept),
                "accepted_because": config.reason,
                "compared_with_version": str(production.number) if production and champion else "",
                "not_compared": "; ".join(references.troubles),
            },
        )

    return plausible


def _counts(instance: dg.DagsterInstance, asset: dg.AssetKey) -> dict[str, int]:
    """Return the rows that were read and quarantined, as the newest materialization says; 0 of an older release's."""
    event = instance.get_latest_materialization_event(asset)
    metadata = event.asset_materialization.metadata if event and event.asset_materialization else {}
    return {name: int(getattr(metadata.get(name), "value", 0) or 0) for name in ("rows_read", "quarantined")}


def _accepted_last(instance: dg.DagsterInstance, check: dg.AssetCheckKey, *, synthetic: bool) -> "Facts | None":
    from housing_assets.monitoring.plausibility import Facts

    for record in instance.event_log_storage.get_asset_check_execution_history(check, limit=_REMEMBERED):
        evaluation = record.evaluation
        if isinstance(evaluation, dg.AssetCheckEvaluation) and evaluation.passed:
            told: dict[str, Any] = {name: entry.value for name, entry in evaluation.metadata.items()}
            facts = Facts(
                int(told["rows"]),
                float(told["quarantined_share"]),
                float(told["median_price"]),
                bool(told.get("synthetic", synthetic)),  # an earlier release did not say
            )
            if facts.synthetic == synthetic:
                return facts
    return None
