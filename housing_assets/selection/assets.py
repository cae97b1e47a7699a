"""Assets of the group ``selection``: the comparison of families of classifiers, and the best settings of the forest.

Both leave things as they are unless a configuration asks for work: a training has them in its path.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

from housing_assets.lineage_page import picture, table
from housing_assets.training.parameters import Balancing, Strategy
from resources.external_index import ExternalIndex
from resources.mlflow.tracking import MlflowTracking
from resources.retries import retried
from resources.studies import Studies
from resources.values.asset_storage import AssetStorage

if TYPE_CHECKING:
    from pandas import DataFrame

    from housing_assets.features.encoded import EncodedListings
    from housing_assets.features.price_index_learning import PublishedIndex
    from housing_assets.selection.comparison import ModelComparison
    from housing_assets.selection.families import Family, Settings
    from housing_assets.selection.judged_folds import JudgedFold
    from housing_assets.training.best_params import BestParams
else:  # imported when values are read; see AssetStorage
    DataFrame = EncodedListings = ModelComparison = BestParams = Any

GROUP = "selection"


class FoldsConfig(dg.Config):
    """The folds that classifiers are judged on, and how large these are."""

    strategy: Strategy = Field(default="smote", description="How the rows that are learned from are balanced.")
    min_rows: int = Field(default=100, ge=1, description="Rows that must fill a column for it to be offered.")
    seed: int = Field(default=0, ge=0, description="Of the folds, the synthetic rows and the sweep.")
    folds: int = Field(default=5, ge=2, le=20, description="Grouped folds.")
    max_rows: int = Field(
        default=50_000, ge=1_000, description="Listings in the folds at most: of homes drawn at random."
    )
    n_jobs: int = Field(default=-1, ge=-1, description="Threads; -1 uses every core.")

    def balancing(self) -> Balancing:
        """Return how the rows that are learned from are balanced."""
        return Balancing(self.strategy, self.min_rows, self.seed)


class ComparisonConfig(FoldsConfig):
    """Which families are compared, and how long for."""

    compare: bool = Field(default=False, description="Compare; otherwise the last comparison stays as it is.")
    families: list[str] = Field(
        default=["logistic_regression", "random_forest", "extra_trees", "gradient_boosting"],
        description="Families to compare, random_forest among them.",
    )
    sizes: dict[str, int] = Field(
        default={}, description="Trees, rounds or iterations of a family that is to have others than its own."
    )
    share: float = Field(
        default=0.15, ge=0, le=0.5, description="Newest share of the out-of-time fold; 0 does without."
    )
    trials: int = Field(
        default=0, ge=0, le=1_000, description="Settings to try for each family first; 0 takes those known to do well."
    )
    seconds: float = Field(default=600, gt=0, description="Seconds after which no other trial of a family begins.")


class SweepConfig(FoldsConfig):
    """How long is searched for better settings of the forest."""

    trials: int = Field(default=0, ge=0, le=10_000, description="Settings to try; 0 keeps what was found last.")
    seconds: float = Field(default=1_800, gt=0, description="Seconds after which no other trial begins.")
    n_trees: int = Field(default=100, ge=1, le=5_000, description="Trees of each trial.")
    forget: bool = Field(default=False, description="Go back to the default settings, and remove the trials.")


@dg.asset(group_name=GROUP, kinds={"optuna", "scikitlearn"})
def best_params(
    context: dg.AssetExecutionContext,
    config: SweepConfig,
    hashed_features: EncodedListings,
    crossed_features: DataFrame,
    studies: Studies,
    external_index: ExternalIndex,
    io_manager: dg.ResourceParam[AssetStorage],
) -> dg.MaterializeResult[BestParams]:
    """The settings that the forest is grown with: kept, or searched for on folds of the training rows."""
    from housing_assets.features.split import HELD_OUT
    from housing_assets.selection.families import TRAINED_FOREST
    from housing_assets.selection.judged_folds import some_homes
    from housing_assets.training.best_params import BestParams

    if config.forget:
        studies.forget(TRAINED_FOREST.name)
        best = BestParams()
    elif not config.trials:
        best = _kept(context, io_manager)
    else:
        training = crossed_features[~crossed_features[HELD_OUT]]
        some = some_homes(training, hashed_features.encoder, config.max_rows, config.seed)
        published = _published(external_index)
        folds = list(_grouped(config, some, hashed_features, published))
        best = _search(
            context, config, TRAINED_FOREST, config.n_trees, some, folds, hashed_features, published, studies
        )
    told = ", ".join(f"{name} {value}" for name, value in best.parameters.items()) or "the defaults"
    context.log.info(f"the forest is grown with {told}" + (f", of sweep {best.study}" if best.study else ""))
    return dg.MaterializeResult(
        value=best,
        metadata={
            "searched": bool(config.trials and not config.forget),
            "parameters": dg.MetadataValue.json(dict(best.parameters)),
            "found": dg.MetadataValue.json(dict(best.found)),
            **{name: value for name, value in asdict(best).items() if name not in ("parameters", "found")},
        },
    )


@dg.asset(
    group_name=GROUP,
    kinds={"scikitlearn", "mlflow"},
    output_required=False,
    dagster_type=dg.Any,
)
@retried
def model_comparison(
    context: dg.AssetExecutionContext,
    config: ComparisonConfig,
    hashed_features: EncodedListings,
    crossed_features: DataFrame,
    studies: Studies,
    external_index: ExternalIndex,
    tracking: MlflowTracking,
) -> Iterator[dg.MaterializeResult]:  # type: ignore[type-arg]
    """Families of classifiers on the same grouped folds and on the newest listings: which one earns to be trained."""
    if not config.compare:
        context.log.info("nothing is compared: model_comparison's config compare: true compares")
        return
    from housing_assets.features.split import HELD_OUT
    from housing_assets.selection.comparison import compare_families, entrants_of
    from housing_assets.selection.families import FAMILIES
    from housing_assets.selection.judged_folds import newest, older_homes, some_homes

    unknown = set(config.families) - set(FAMILIES)
    if unknown:
        raise dg.Failure(f"there is no family {', '.join(sorted(unknown))}: expected some of {', '.join(FAMILIES)}")
    encoder, labels = hashed_features.encoder, hashed_features.labels
    # The holdout judges the forest that a person may choose by this comparison: it is no part of it.
    training = crossed_features[~crossed_features[HELD_OUT]]
    some = some_homes(training, encoder, config.max_rows, config.seed)
    published = _published(external_index)
    settings: dict[str, Settings] = {}
    if config.trials:
        searched = older_homes(some, encoder.market, config.share)
        folds = list(_grouped(config, searched, hashed_features, published))
        for name in config.families:
            family = FAMILIES[name]
            size = config.sizes.get(name, family.size)
            searched_for = _search(context, config, family, size, searched, folds, hashed_features, published, studies)
            settings[name] = searched_for.found
    try:
        compared = compare_families(
            entrants_of(config.families, settings, config.sizes, config.n_jobs),
            _grouped(config, some, hashed_features, published),
            newest(some, labels, encoder, config.balancing(), config.share, published),
            tuned=bool(config.trials),
            report=context.log.info,
        )
    except ValueError as fault:
        raise dg.Failure(str(fault)) from fault
    context.log.info(compared.finding)
    found, drawn = compared.table(), _drawn(compared)
    for one in compared.figures:
        tracking.log_child(
            tracking.run_id,
            one.family,
            params={**one.settings, "size": one.size},
            metrics=_metrics(one.family, compared),
        )
    tracking.log_frame(tracking.run_id, "model_comparison", found)
    tracking.log_picture(tracking.run_id, "model_comparison", drawn)
    yield dg.MaterializeResult(
        value=compared,
        metadata={
            "winner": compared.winner.family,
            "choice": compared.choice.family if compared.choice else "",
            "finding": compared.finding,
            "families": table(found),
            "differences": picture(drawn, "macro-F1 against the random forest"),
            "tuned": compared.tuned,
            "rows": compared.rows,
            "out_of_time_rows": compared.newest_rows,
            "out_of_time_not_judged": compared.reason,
            **{f"macro_f1_{one.family}": one.mean for one in compared.figures},
            "mlflow_run": tracking.run_id,
        },
    )


def _kept(context: dg.AssetExecutionContext, io_manager: AssetStorage) -> BestParams:
    """Return what was found last, the defaults if nothing was, or fail and say how to go back to these."""
    from housing_assets.training.best_params import BestParams

    try:
        return io_manager.last(context.asset_key) or BestParams()
    except dg.Failure as fault:
        raise dg.Failure(
            f"{fault.description}. Without trials it is read again: best_params's config forget: true goes back to the "
            "default settings, and trials: 40, say, searches anew"
        ) from fault


def _published(external_index: ExternalIndex) -> "PublishedIndex | None":
    """Return the published index, None where there is none, or fail with what is wrong with it."""
    from housing_assets.features.price_index_learning import published_index

    try:
        return published_index(external_index.path)
    except ValueError as fault:
        raise dg.Failure(str(fault)) from fault


def _grouped(
    config: FoldsConfig, some: DataFrame, features: EncodedListings, published: "PublishedIndex | None"
) -> "Iterator[JudgedFold]":
    """Return the grouped folds of some listings, or fail with what they lack."""
    from housing_assets.selection.judged_folds import grouped

    try:
        yield from grouped(some, features.labels, features.encoder, config.balancing(), config.folds, published)
    except ValueError as fault:
        raise dg.Failure(str(fault)) from fault


def _search(
    context: dg.AssetExecutionContext,
    config: "SweepConfig | ComparisonConfig",
    family: "Family",
    size: int,
    some: DataFrame,
    folds: "list[JudgedFold]",
    features: EncodedListings,
    published: "PublishedIndex | None",
    studies: Studies,
) -> BestParams:
    """Search the settings of a family, on folds of some listings, within the budget of a configuration."""
    try:
        import optuna  # noqa: F401
    except ImportError as fault:
        raise dg.Failure("a sweep needs Optuna: install the extra, housing-price-platform[selection]") from fault
    from housing_assets.selection.judged_folds import fingerprint
    from housing_assets.selection.sweep import Budget, Sweep

    data = fingerprint(some, features.labels, features.encoder, config.balancing(), config.folds, published)
    sweep = Sweep(family, studies.path_of(family.name), data, size, config.n_jobs, config.seed)
    return sweep.run(folds, Budget(config.trials, config.seconds), report=context.log.info)


def _metrics(family: str, compared: ModelComparison) -> Mapping[str, float]:
    rows = compared.table().set_index("family").loc[family]
    return {str(name): float(cell) for name, cell in rows.items() if isinstance(cell, float) and cell == cell}


def _drawn(compared: ModelComparison) -> bytes:
    """Return the picture of the differences to the forest, the best first."""
    import numpy as np

    from housing_assets.training.plots import differences

    figures = sorted(compared.figures, key=lambda one: -one.mean)
    ends = [(one.against_reference.value, one.against_reference.low, one.against_reference.high) for one in figures]
    return differences([one.family.replace("_", " ") for one in figures], np.array(ends), "random forest")
