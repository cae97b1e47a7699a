"""The whole graph, from synthetic ads to a version in production, and on to the next version."""

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import dagster as dg
import mlflow
import numpy as np
import pandas as pd
import pytest
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import execute_run
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from housing_assets.definitions import build_defs
from housing_assets.listings.samples import load_sample
from housing_assets.markets.istanbul import MARKET
from housing_assets.monitoring.profiles.reference import Reference
from housing_assets.packaging.batch import ESTIMATED, probability_names
from housing_assets.packaging.card.figures import show
from housing_assets.packaging.promotion import TESTS
from housing_assets.training.promotion import MAX_TESTS
from resources.mlflow.registry import PRODUCTION, STAGING, ModelRegistry, Version
from resources.mlflow.tracking import DAGSTER_RUN_TAG
from resources.settings import Settings
from tests.packaging.tampering import swap_low_and_high
from tests.resources.mlflow_database import new_database

ROWS = 2_000
PROBABILITIES = probability_names(MARKET.categories)
SMALL_FOREST = {"price_forest": {"n_trees": 60}, "out_of_time_evaluation": {"share": 0.0}}
LENIENT = {"model_evaluation": {"min_macro_f1": 0.5, "min_recall": 0.3, "max_calibration_error": 0.5}}

TRAINING = dg.AssetSelection.assets("raw_listings").downstream()
WITHOUT_BENTO = sorted(
    key.to_user_string()
    for key in (TRAINING - dg.AssetSelection.assets("price_bento")).resolve(build_defs(MARKET).resolve_asset_graph())
)
"""Building a bento and comparing its answers takes as long as the rest."""


class Platform(NamedTuple):
    """The real definitions on a storage of their own."""

    settings: Settings
    instance: dg.DagsterInstance

    def with_rows(self, n_rows: int) -> "Platform":
        """Return the same platform with other listings at its source."""
        return self._replace(settings=self.settings.model_copy(update={"sample_rows": n_rows}))

    @property
    def registry(self) -> ModelRegistry:
        return ModelRegistry(tracking_uri=self.settings.mlflow_uri, model_name=self.settings.model_name)

    def materialize(
        self, config: dict[str, dict[str, Any]], *, selection: list[str] | None = None
    ) -> dg.ExecuteInProcessResult:
        defs = build_defs(MARKET, settings=self.settings)
        ops = {name: {"config": values} for name, values in {**SMALL_FOREST, **LENIENT, **config}.items()}
        chosen = selection or ops
        return dg.materialize(
            [*(defs.assets or ()), *(defs.asset_checks or ())],
            resources=dict(defs.resources or {}),
            instance=self.instance,
            run_config={"ops": {name: values for name, values in ops.items() if name in chosen}},
            selection=selection or TRAINING,
            raise_on_error=False,
        )

    def resume(self, broken_off: str, selection: list[str]) -> bool:
        """Run assets in a run that resumes another, and return whether that succeeds."""
        defs = build_defs(MARKET, settings=self.settings)
        job = dg.Definitions(
            assets=defs.assets,
            asset_checks=defs.asset_checks,
            resources=defs.resources,
            jobs=[dg.define_asset_job("rest", selection)],
            executor=dg.in_process_executor,
        ).resolve_job_def("rest")
        run = self.instance.create_run_for_job(job, root_run_id=broken_off, parent_run_id=broken_off)
        return execute_run(InMemoryJob(job), run, self.instance).success

    def mlflow_status(self, dagster_run: str) -> str:
        client = self.registry.client()
        experiment = client.get_experiment_by_name(self.settings.experiment_name)
        (run,) = client.search_runs([experiment.experiment_id], f"tags.{DAGSTER_RUN_TAG} = '{dagster_run}'")
        return str(run.info.status)

    def bentos(self) -> list[str]:
        folders = (self.settings.market_storage / "bentoml" / "bentos").glob("*/*/bento.yaml")
        return [f"{path.parts[-3]}:{path.parts[-2]}" for path in folders]

    def production(self) -> Version:
        version = self.registry.with_alias(PRODUCTION)
        assert version is not None
        return version


UP_TO_THE_FOREST = [
    "price_bands", "crossed_features", "price_index", "hashed_features", "balanced_training_set", "price_forest"
]  # fmt: skip
FROM_TRAINING_ON = [
    "balanced_training_set",
    "price_forest",
    "price_estimator",
    "out_of_time_evaluation",
    "model_evaluation",
    "reference_profile",
    "registered_model",
]


def ads(n_rows: int, seed: int) -> pd.DataFrame:
    """Return raw rows as they are scraped."""
    return load_sample(MARKET).draw(n_rows, seed=seed)


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    storage = tmp_path_factory.mktemp("platform")
    settings = Settings(storage=storage, sample_rows=ROWS, MLFLOW_TRACKING_URI=new_database(storage))
    with dg.DagsterInstance.ephemeral() as instance:
        yield Platform(settings, instance)


@pytest.fixture(scope="module")
def first(platform: Platform) -> dg.ExecuteInProcessResult:
    """Give the first materialization of everything."""
    return platform.materialize({"out_of_time_evaluation": {"n_trees": 30}})


@pytest.fixture(scope="module")
def registered(platform: Platform, first: dg.ExecuteInProcessResult) -> Version:
    """Give the version that the first materialization registered."""
    assert first.success
    (version,) = [version for version in platform.registry.versions() if version.number == 1]
    return version


@pytest.fixture(scope="module")
def model(platform: Platform, registered: Version) -> mlflow.pyfunc.PyFuncModel:
    mlflow.set_tracking_uri(platform.settings.mlflow_uri)
    return mlflow.pyfunc.load_model("models:/HousingPriceClassifier@production")


def test_every_asset_is_materialized_and_every_check_passes(first: dg.ExecuteInProcessResult) -> None:
    graph = build_defs(MARKET).resolve_asset_graph()

    assert first.success
    materialized = {event.asset_key for event in first.get_asset_materialization_events()}
    assert materialized == TRAINING.resolve(graph) - {dg.AssetKey("model_comparison")}  # which is on demand
    evaluations = first.get_asset_check_evaluations()
    checks = {key for key in graph.asset_check_keys if key.asset_key in materialized}
    assert {evaluation.asset_check_key for evaluation in evaluations} == checks
    assert all(evaluation.passed for evaluation in evaluations)


def test_the_newest_listings_are_judged_by_forests_of_the_older_ones(
    platform: Platform, first: dg.ExecuteInProcessResult, registered: Version
) -> None:
    (fold,) = first.output_for_node("out_of_time_evaluation").folds
    shown = first.asset_materializations_for_node("model_evaluation")[0].metadata
    assert shown["out_of_time_rows"].value == fold.judged_rows >= 0.15 * ROWS * 0.9
    assert shown["out_of_time_macro_f1"].value == fold.metrics["macro_f1"] > 0.5
    logged = platform.registry.client().get_run(registered.run_id).data.metrics
    assert logged["out_of_time_macro_f1"] == fold.metrics["macro_f1"]
    assert logged["out_of_time_macro_f1_at_mix"] == shown["out_of_time_macro_f1_at_mix"].value


def test_a_platform_that_has_answered_nobody_learns_of_the_source_alone(first: dg.ExecuteInProcessResult) -> None:
    assert first.asset_materializations_for_node("labelled_listings")[0].metadata["dagster/row_count"].value == 0
    (listings,) = [
        event.materialization
        for event in first.get_asset_materialization_events()
        if event.asset_key == dg.AssetKey("listings")
    ]
    assert listings.metadata["labelled_rows"].value == 0


def test_the_first_version_is_in_production_with_its_provenance(
    platform: Platform, first: dg.ExecuteInProcessResult, registered: Version
) -> None:
    assert registered.tags["decision"] == "promoted"
    assert registered.tags["reason"] == "first version: there is no champion"
    assert registered.tags["dagster_run_id"] == first.run_id
    assert len(registered.tags["data_fingerprint"]) == 64
    assert platform.mlflow_status(first.run_id) == "FINISHED"


def test_the_version_has_a_model_card_with_the_figures_of_its_evaluation(
    platform: Platform, first: dg.ExecuteInProcessResult, registered: Version
) -> None:
    evaluation = first.output_for_node("model_evaluation")
    card = first.output_for_node("model_card")
    assert platform.registry.read_card(registered, "model_card.md") == card.markdown
    assert platform.registry.read_card(registered, "model_card.html") == card.page
    assert first.asset_materializations_for_node("model_card")[0].metadata["card"].value == card.markdown
    described = platform.registry.client().get_model_version(platform.registry.model_name, "1").description
    assert described.startswith(card.summary)
    for key, value in evaluation.metrics.items():
        assert f" {show(key, value, 'TRY')} " in card.markdown, key
    listings = first.output_for_node("crossed_features")
    held_out = int(listings["held_out"].sum())
    assert f"{ROWS:,} rows were read" in card.markdown
    assert f"{len(listings):,} listings: {len(listings):,} made by the market's generator." in card.markdown
    assert f"Held out: {held_out:,} " in card.markdown
    (days,) = [listings[name].dropna() for name in ("created_on",)]
    assert f"created_on: {days.min():%Y-%m-%d} to {days.max():%Y-%m-%d}, in {len(days):,} listings." in card.markdown
    index = first.output_for_node("price_index")
    assert index.exists == ("price index had brought to" in card.markdown)
    for tag in ("data_fingerprint", "forest_digest", "artifact_sha256", "git_commit", "dagster_run_id"):
        assert registered.tags[tag] in card.markdown


def test_the_registered_model_answers_raw_listings(model: mlflow.pyfunc.PyFuncModel) -> None:
    raw = ads(200, seed=7)

    answers = model.predict(raw)

    assert list(answers) == ["price_category", *PROBABILITIES, *ESTIMATED, "no_estimate", "reason"]
    assert answers.index.equals(raw.index)
    usable = answers[answers["reason"].isna()]
    assert len(usable) > 150
    assert set(usable["price_category"]) == set(MARKET.categories)
    np.testing.assert_allclose(usable[PROBABILITIES].sum(axis=1), 1)
    likeliest = np.array(MARKET.categories)[usable[PROBABILITIES].to_numpy().argmax(axis=1)]
    assert (usable["price_category"] == likeliest).all()


def test_a_row_that_cannot_be_used_has_a_null_answer_and_the_reason(model: mlflow.pyfunc.PyFuncModel) -> None:
    raw = ads(3, seed=0).astype(object)
    raw.loc[raw.index[1], "GrossSquareMeters"] = "large"

    answers = model.predict(raw)

    assert answers["reason"].notna().tolist() == [False, True, False]
    assert answers["reason"].iloc[1].startswith("GrossSquareMeters: ")
    assert answers["price_category"].notna().tolist() == [True, False, True]
    assert answers[PROBABILITIES].notna().all(axis=1).tolist() == [True, False, True]


@pytest.mark.parametrize("name", ["district", "GrossSquareMeters"])
def test_a_null_in_a_required_column_has_a_null_answer_and_the_reason(
    model: mlflow.pyfunc.PyFuncModel, name: str
) -> None:
    raw = ads(3, seed=0).astype(object)
    raw.loc[raw.index[1], name] = None

    answers = model.predict(raw)

    assert answers["reason"].tolist() == [None, f"{name}: missing", None]
    assert answers["price_category"].notna().tolist() == [True, False, True]


@pytest.mark.parametrize("rename", [{"district": "District"}, {"GrossSquareMeters": "gross"}, str.upper, "{}_".format])
def test_a_frame_whose_columns_are_misnamed_is_refused_by_name(
    model: mlflow.pyfunc.PyFuncModel, rename: dict[str, str] | Callable[[str], str]
) -> None:
    raw = ads(3, seed=0)
    misnamed = raw.rename(columns=rename)
    absent = {"district", "GrossSquareMeters"} - set(misnamed)

    with pytest.raises(MlflowException, match="Model is missing inputs") as refusal:
        model.predict(misnamed)

    assert absent
    assert all(f"'{name}'" in str(refusal.value) for name in absent)


def test_clean_numbers_are_answered_as_the_texts_they_stand_for(model: mlflow.pyfunc.PyFuncModel) -> None:
    columns = ["district", "GrossSquareMeters", "NetSquareMeters", "BuildingAge"]
    texts = pd.DataFrame([["kadikoy", "120 m2", "100 m2", "4"]], columns=columns)
    numbers = pd.DataFrame([["kadikoy", 120, 100.0, 4]], columns=columns)

    pd.testing.assert_frame_equal(model.predict(texts), model.predict(numbers))
    assert model.predict(texts)["reason"].isna().all()


def test_the_price_does_not_sway_the_answer(model: mlflow.pyfunc.PyFuncModel) -> None:
    raw = ads(20, seed=7)

    pd.testing.assert_frame_equal(model.predict(raw), model.predict(raw.drop(columns="price")))


def test_the_models_folder_holds_no_pickle(platform: Platform, registered: Version) -> None:
    files = [
        path for path in (platform.settings.market_storage / "mlartifacts" / "models").rglob("*") if path.is_file()
    ]

    assert {"MLmodel", "forest.npz", "encoder.json", "labels.json", "manifest.json", "market.json"} <= {
        path.name for path in files
    }
    assert {path.suffix for path in files} <= {"", ".json", ".jsonl", ".npz", ".yaml", ".txt"}
    assert not any(path.read_bytes().startswith(b"\x80") for path in files)
    with np.load(next(path for path in files if path.name == "forest.npz"), allow_pickle=False) as arrays:
        assert all(arrays[name].dtype != object for name in arrays)


def test_the_stored_example_is_answered_and_no_real_listing(platform: Platform, registered: Version) -> None:
    mlflow.set_tracking_uri(platform.settings.mlflow_uri)
    loaded = mlflow.pyfunc.load_model(f"models:/HousingPriceClassifier/{registered.number}")

    assert loaded.predict(loaded.input_example)["reason"].isna().all()


def test_the_bento_carries_the_version_in_production(
    platform: Platform, first: dg.ExecuteInProcessResult, registered: Version
) -> None:
    told = first.asset_materializations_for_node("price_bento")[0].metadata

    assert told["version"].value == registered.number
    assert str(told["tag"].value).startswith(f"housing_price_classifier:v1-{registered.tags['forest_digest'][:12]}-")
    assert told["label/data_fingerprint"].value == registered.tags["data_fingerprint"]
    assert platform.bentos() == [told["tag"].value]


@pytest.mark.trial
def test_a_model_that_was_changed_in_the_registry_is_a_failed_check_and_its_bento_is_not_kept(
    platform: Platform, registered: Version, tmp_path: Path
) -> None:
    bentos = platform.bentos()
    stored = platform.registry.download(registered, tmp_path / "before")
    (in_store,) = {path.parent for path in (platform.settings.market_storage / "mlartifacts").rglob("manifest.json")}
    swap_low_and_high(in_store)
    try:
        result = platform.materialize({}, selection=["price_bento"])
    finally:
        shutil.copytree(stored, in_store, dirs_exist_ok=True)

    assert not result.success
    (check,) = result.get_asset_check_evaluations()
    assert not check.passed
    assert "answered otherwise than the evaluated model predicts" in (check.description or "")
    assert platform.bentos() == bentos


class Later(NamedTuple):
    """A run after the first, and what was in production before it."""

    result: dg.ExecuteInProcessResult
    before: Version
    after: Version
    newest: Version


def run_later(platform: Platform, config: dict[str, dict[str, Any]], selection: list[str] | None = None) -> Later:
    before = platform.production()
    result = platform.materialize(config, selection=selection or WITHOUT_BENTO)
    return Later(result, before, platform.production(), platform.registry.versions()[0])


def failures(result: dg.ExecuteInProcessResult) -> str:
    return "\n".join(str(event.step_failure_data.error) for event in result.all_events if event.is_step_failure)


def test_each_version_is_stored_with_the_reference_of_its_own_listings(platform: Platform, registered: Version) -> None:
    reference = Reference.from_json(platform.registry.read_text(registered, "reference_profile.json"))

    assert reference.profile.rows == int(registered.tags["listings"])
    assert reference.holdout.rows == reference.profile.predictions.rows > 0


def refusal(made: str, of: str, stale: str) -> str:
    """Return the pattern of what storage says of two values that do not fit together, and of how to mend it."""
    time = r"[\d-]+ [\d:.]+ UTC"
    command = re.escape(f"""dg launch --assets 'key:"{stale}"+'""")
    return (
        rf"{made} was made of {of} of {time}, and now there is one of {time}: "
        rf"materialize {stale} and all below it \({command}\)"
    )


@pytest.mark.trial
def test_a_reference_of_another_forest_is_not_registered(platform: Platform, registered: Version) -> None:
    versions = platform.registry.versions()
    stale = [name for name in FROM_TRAINING_ON if name != "reference_profile"]

    run = run_later(platform, {"price_forest": {"n_trees": 61}}, stale)

    assert re.search(refusal("reference_profile", "model_evaluation", "reference_profile"), failures(run.result))
    assert platform.registry.versions() == versions
    assert run_later(platform, {}, FROM_TRAINING_ON).result.success


@pytest.mark.trial
def test_a_second_run_is_compared_on_the_same_listings_and_keeps_the_lineage(
    platform: Platform, registered: Version
) -> None:
    run = run_later(platform, {"registered_model": {"max_loss": 1.0}})

    assert run.result.success
    assert run.newest.number == run.before.number + 1
    assert run.newest.tags["lineage"] == run.before.tags["lineage"]
    assert run.newest.tags["reason"].startswith("no worse than the champion: macro-F1 differs by")
    holdout = run.result.asset_materializations_for_node("hashed_features")[0].metadata["holdout_rows"].value
    assert f"on {holdout:,} held-out listings" in run.newest.tags["reason"]
    assert run.after.number == run.newest.number
    assert run.newest.aliases == (PRODUCTION, STAGING)


def test_the_same_forest_on_the_same_listings_differs_by_nothing(platform: Platform, registered: Version) -> None:
    run = run_later(platform, {}, FROM_TRAINING_ON)

    assert run.result.success
    assert "macro-F1 differs by +0.0000 (95 % interval +0.0000 to +0.0000)" in run.newest.tags["reason"]


def test_a_gate_that_fails_registers_nothing_and_leaves_production_untouched(
    platform: Platform, registered: Version
) -> None:
    versions = platform.registry.versions()

    run = run_later(platform, {"model_evaluation": {"min_macro_f1": 0.99}}, FROM_TRAINING_ON)

    assert not run.result.success
    failed = [check.check_name for check in run.result.get_asset_check_evaluations() if not check.passed]
    assert "macro_f1_high_enough" in failed
    assert platform.registry.versions() == versions
    assert platform.mlflow_status(run.result.run_id) == "FAILED"

    later = run_later(platform, {}, ["registered_model"])

    assert not later.result.success
    assert platform.registry.versions() == versions


@pytest.mark.trial
def test_a_forest_that_was_not_judged_with_these_features_is_not_registered(
    platform: Platform, registered: Version
) -> None:
    run_later(platform, {"hashed_features": {"inverse_penalty": 0.1}}, ["hashed_features"])
    versions = platform.registry.versions()
    stale = "balanced_training_set"

    for asset, made in (
        ("registered_model", "model_evaluation"),
        ("model_evaluation", "(price_forest|out_of_time_evaluation)"),  # whichever is read first
        ("price_forest", stale),
    ):
        run = run_later(platform, {}, [asset])
        assert re.search(refusal(made, "hashed_features", stale), failures(run.result)), asset
    assert platform.registry.versions() == versions
    assert run_later(platform, {}, ["hashed_features", *FROM_TRAINING_ON]).result.success


@pytest.mark.trial
def test_listings_that_came_after_the_features_are_not_judged_nor_registered_as_what_the_model_was_made_from(
    platform: Platform, registered: Version
) -> None:
    newer, versions = platform.with_rows(ROWS - 40), platform.registry.versions()
    assert run_later(newer, {}, ["raw_listings", "listings"]).result.success

    run = run_later(newer, {}, ["registered_model"])
    assert re.search(refusal("crossed_features", "raw_listings", "price_bands"), failures(run.result))

    run = run_later(newer, {}, ["crossed_features"])
    assert re.search(refusal("price_bands", "listings", "price_bands"), failures(run.result))

    assert run_later(newer, {}, ["price_bands", "crossed_features"]).result.success
    for asset in ("balanced_training_set", "model_evaluation"):
        run = run_later(newer, {}, [asset])
        assert re.search(refusal("hashed_features", "crossed_features", "price_index"), failures(run.result)), asset
    assert platform.registry.versions() == versions
    assert run_later(platform, {}).result.success


@pytest.mark.trial
@pytest.mark.parametrize("lost_at", [STAGING, PRODUCTION])
def test_a_registration_that_is_tried_again_goes_on_with_the_version_that_it_has(
    platform: Platform, registered: Version, monkeypatch: pytest.MonkeyPatch, lost_at: str
) -> None:
    set_alias = MlflowClient.set_registered_model_alias
    newest = platform.registry.versions()[0]
    lost: list[str] = []

    def lose_connection(client: MlflowClient, name: str, alias: str, version: str) -> None:
        set_alias(client, name, alias, version)
        if alias == lost_at and not lost:
            lost.append(version)
            raise ConnectionError

    monkeypatch.setattr(MlflowClient, "set_registered_model_alias", lose_connection)
    run = run_later(platform, {"registered_model": {"max_loss": 1.0}}, FROM_TRAINING_ON)

    assert run.result.success
    assert lost == [str(newest.number + 1)]
    assert run.newest.number == run.after.number == newest.number + 1
    assert run.newest.tags["decision"] == "promoted"
    assert run.newest.tags[TESTS] == str(min(int(newest.tags.get(TESTS, 0)) + 1, MAX_TESTS))


@pytest.mark.trial
@pytest.mark.parametrize(
    ("dies", "decision"),
    [("before it is promoted", "to be promoted"), ("as it is", "to be promoted"), ("after that", "promoted")],
)
def test_a_run_that_resumes_a_registration_goes_on_with_its_version(
    platform: Platform, registered: Version, monkeypatch: pytest.MonkeyPatch, dies: str, decision: str
) -> None:
    def die(registry: ModelRegistry, version: Version) -> None:
        if dies == "as it is":
            registry.point(PRODUCTION, version)
        elif dies == "after that":
            promote(registry, version)
        raise RuntimeError("killed")

    promote = ModelRegistry.promote

    with monkeypatch.context() as patched:
        patched.setattr(ModelRegistry, "promote", die)
        broken_off = run_later(platform, {}, ["registered_model"])
    assert broken_off.newest.tags["decision"] == decision

    assert platform.resume(broken_off.result.run_id, ["registered_model"])

    assert platform.production().number == broken_off.newest.number == platform.registry.versions()[0].number
    assert platform.production().tags["decision"] == "promoted"
    whole = run_later(platform, {}, ["registered_model"])
    assert whole.newest.number == broken_off.newest.number + 1
    assert platform.resume(whole.result.run_id, ["registered_model"])
    assert platform.registry.versions()[0].number == broken_off.newest.number + 2  # that run was not broken off


@pytest.mark.trial
def test_a_version_whose_promotion_was_broken_off_is_not_recorded_as_promoted(
    platform: Platform, registered: Version, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_alias = MlflowClient.set_registered_model_alias

    def lose_connection(client: MlflowClient, name: str, alias: str, version: str) -> None:
        if alias == PRODUCTION:
            raise ConnectionError
        set_alias(client, name, alias, version)

    with monkeypatch.context() as patched:
        patched.setattr(MlflowClient, "set_registered_model_alias", lose_connection)
        run = run_later(platform, {}, ["registered_model"])

    assert not run.result.success
    assert run.newest.number > run.before.number == run.after.number
    assert run.newest.tags["decision"] == "to be promoted"
    assert run_later(platform, {}, ["registered_model"]).newest.tags["decision"] == "promoted"


@pytest.mark.trial
def test_a_forest_is_fine_tuned_on_newer_listings_and_its_version_names_the_one_before(
    platform: Platform, registered: Version
) -> None:
    parent = run_later(platform, {}, FROM_TRAINING_ON).newest
    fine_tuning = {"price_forest": {"fine_tune": True, "n_trees": 20}}

    run = run_later(platform.with_rows(ROWS + 60), fine_tuning)

    assert run.result.success
    shown = run.result.asset_materializations_for_node("price_forest")[0].metadata
    assert (shown["trees"].value, shown["trees_from_checkpoint"].value) == (80, 60)
    assert run.newest.tags["fine_tuned_from"] == parent.tags["forest_digest"] == shown["fine_tuned_from"].value
    assert run.newest.tags["forest_line"] not in (parent.tags["forest_line"], None)
    assert run.newest.tags["lineage"] == parent.tags["lineage"]
    assert "fine_tuned_from" not in parent.tags


@pytest.mark.trial
def test_a_forest_is_not_fine_tuned_on_labels_of_other_price_bands(platform: Platform, registered: Version) -> None:
    run = run_later(
        platform.with_rows(ROWS + 200), {"price_bands": {"reband": True}, "price_forest": {"fine_tune": True}}
    )

    assert "the last forest cannot be fine-tuned: trained for other price bands" in failures(run.result)
    assert run_later(platform, {}).result.success


def test_a_worse_challenger_is_registered_but_not_promoted_and_says_why(
    platform: Platform, registered: Version
) -> None:
    lenient = {"min_macro_f1": 0.0, "min_recall": 0.0, "max_calibration_error": 1.0}

    run = run_later(
        platform, {"price_forest": {"n_trees": 1, "max_depth": 1}, "model_evaluation": lenient}, FROM_TRAINING_ON
    )

    assert run.result.success
    assert run.after.number == run.before.number != run.newest.number
    assert run.newest.aliases == (STAGING,)
    assert run.newest.tags["decision"] == "not promoted"
    assert run.newest.tags["reason"].startswith("may be worse than the champion: macro-F1 differs by -")


@pytest.mark.trial
def test_new_bands_start_a_new_lineage_and_say_so(platform: Platform, registered: Version) -> None:
    run = run_later(platform, {"price_bands": {"reband": True}})

    assert run.result.success
    assert run.newest.tags["lineage"] != run.before.tags["lineage"]
    assert run.newest.tags["reason"].startswith("starts a new lineage")
    assert run.after.number == run.newest.number

    platform.registry.rollback(reason="a drill")
    later = run_later(platform, {}, FROM_TRAINING_ON)

    assert later.result.success
    assert later.after.number == later.before.number == run.before.number
    assert "from which production was taken back" in later.newest.tags["reason"]


@pytest.mark.trial
def test_a_training_goes_on_though_bands_of_the_same_terms_were_learned_again(
    platform: Platform, registered: Version
) -> None:
    first, again = (
        platform.materialize({"price_bands": {"reband": True}}, selection=UP_TO_THE_FOREST) for _ in range(2)
    )

    lineages = [run.asset_materializations_for_node("price_bands")[0].metadata["lineage"] for run in (first, again)]
    assert lineages[0] != lineages[1]
    grown = again.asset_materializations_for_node("price_forest")[0].metadata
    assert grown["trees_from_checkpoint"].value == grown["trees"].value
