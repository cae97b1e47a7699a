"""A model that the former release trained and stored, and what that release answered with it.

``former_release/model.zip`` holds a forest of 6 trees of 800 synthetic ads, and 200 other ads with its answers.
"""

import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from housing_assets.inference.artifact import MANIFEST, ArtifactRefused, ModelArtifact, sha256
from housing_assets.inference.declaration import PriceBands
from housing_assets.inference.market import Market
from housing_assets.market_loading import load_market
from housing_assets.monitoring.profiles.reference import Reference
from housing_assets.packaging.card.document import MARKDOWN
from housing_assets.packaging.upgrade import UPGRADED_FROM, upgrade_artifact, upgrade_versions
from resources.mlflow.registry import CARD, LINEAGE_CONTRACT, PRODUCTION, REPLACED, STAGING, ModelRegistry, Version
from tests.resources.mlflow_database import new_database
from tests.resources.registered import new_run

STORED = Path(__file__).with_name("former_release") / "model.zip"
FOREST_DIGEST = "fd3f6a9511b66bf1e3131b4d8a8a03c05a4ce88a37906be00f4b8d53e99a64b8"


@pytest.fixture
def market() -> Market:
    return load_market("istanbul")


@pytest.fixture
def former(tmp_path: Path) -> Path:
    with zipfile.ZipFile(STORED) as stored:
        stored.extractall(tmp_path)
    return tmp_path / "artifact"


@pytest.fixture
def answers(former: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((former.parent / "answers.json").read_text(encoding="utf-8"))
    return found


def other_market(market: Market, **changed: Any) -> Market:
    """Return a declaration that differs."""
    declared = {name: getattr(market, name) for name in Market.__dataclass_fields__}
    return Market(**{**declared, **changed})


def rewrite(folder: Path, name: str, change: Callable[[Any], Any]) -> None:
    """Change a file of an artifact, and its checksum."""
    path, manifest = folder / name, json.loads((folder / MANIFEST).read_text())
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    if name in manifest["sha256"]:
        manifest["sha256"][name] = sha256(path)
        (folder / MANIFEST).write_text(json.dumps(manifest))


# -- the artifact -------------------------------------------------------------------------------------------------


def test_an_upgraded_model_answers_every_listing_as_the_former_release_did(
    former: Path, market: Market, answers: list[dict[str, Any]], tmp_path: Path
) -> None:
    upgrade_artifact(former, market, tmp_path / "upgraded")
    artifact = ModelArtifact.load(tmp_path / "upgraded")

    assert len(answers) == 200
    for row in answers:
        found = artifact.predict_one(row["cells"])
        assert list(found.probabilities) == row["probabilities"]
        assert list(found.unseen) == row["unseen"]
        fallback = artifact.rule.predict_one(row["cells"])
        assert [fallback.category, *fallback.probabilities] == row["fallback"]


def test_all_but_the_declaration_stays(former: Path, market: Market, tmp_path: Path) -> None:
    upgrade_artifact(former, market, tmp_path / "upgraded")
    artifact = ModelArtifact.load(tmp_path / "upgraded")

    bands = json.loads((former / "bands.json").read_text())
    assert artifact.labels.to_dict() == {
        **bands,
        "categories": ["low", "medium", "high"],
        "identity": list(artifact.market.identity),
        "price_kind": "asking",
    }
    assert artifact.forest.digest() == artifact.provenance["forest_digest"] == FOREST_DIGEST
    assert artifact.market.fingerprint == replace(market, local=None).fingerprint  # there were no local scores
    assert artifact.metrics == json.loads((former / "metrics.json").read_text())
    assert len(artifact.golden) == len(json.loads((former / "golden.json").read_text()))
    assert Reference.from_json(artifact.reference).profile.rows == 767


def test_an_artifact_without_a_reference_stays_without(former: Path, market: Market, tmp_path: Path) -> None:
    (former / "reference_profile.json").write_text("")
    manifest = json.loads((former / MANIFEST).read_text())
    manifest["sha256"]["reference_profile.json"] = sha256(former / "reference_profile.json")
    (former / MANIFEST).write_text(json.dumps(manifest))

    upgrade_artifact(former, market, tmp_path / "upgraded")

    assert ModelArtifact.load(tmp_path / "upgraded").reference == ""


def test_another_declaration_is_refused_by_the_names_that_differ(former: Path, market: Market, tmp_path: Path) -> None:
    without = other_market(market, quotients=market.quotients[:1])
    with pytest.raises(
        ArtifactRefused, match="another declaration than that of istanbul, which differs in m2_per_room"
    ):
        upgrade_artifact(former, without, tmp_path / "upgraded")
    reordered = other_market(market, crosses=market.crosses[::-1])
    with pytest.raises(ArtifactRefused, match="differs in their order"):
        upgrade_artifact(former, reordered, tmp_path / "upgraded")
    assert not (tmp_path / "upgraded").exists()


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (PriceBands(("low", "medium", "high"), (0.4, 0.8), "USD"), "bands are in TRY, prices of istanbul in USD"),
        (PriceBands(("low", "high"), (0.5,), "TRY"), "it has 3 price bands, istanbul has 2"),
    ],
)
def test_another_target_is_refused(
    former: Path, market: Market, tmp_path: Path, target: PriceBands, message: str
) -> None:
    with pytest.raises(ArtifactRefused, match=message):
        upgrade_artifact(former, other_market(market, target=target), tmp_path / "upgraded")


@pytest.mark.parametrize("name", ["encoder.json", "forest.npz", "bands.json", "rule.json", "golden.json"])
def test_a_damaged_or_missing_file_is_refused_by_its_name(
    former: Path, market: Market, tmp_path: Path, name: str
) -> None:
    (former / name).write_bytes((former / name).read_bytes() + b" ")
    with pytest.raises(ArtifactRefused, match=f"{name} is damaged"):
        upgrade_artifact(former, market, tmp_path / "upgraded")
    (former / name).unlink()
    with pytest.raises(ArtifactRefused, match=f"{name} is missing"):
        upgrade_artifact(former, market, tmp_path / "upgraded")


def test_another_format_is_refused(former: Path, market: Market, tmp_path: Path) -> None:
    upgrade_artifact(former, market, tmp_path / "upgraded")
    with pytest.raises(ArtifactRefused, match="its format is 4, only 3 can be upgraded"):
        upgrade_artifact(tmp_path / "upgraded", market, tmp_path / "again")
    rewrite(former, "encoder.json", lambda stored: {**stored, "format": 2})
    with pytest.raises(ArtifactRefused, match="the format of its encoder is 2, expected 3"):
        upgrade_artifact(former, market, tmp_path / "again")
    (former / MANIFEST).write_text("{")
    with pytest.raises(ArtifactRefused, match="no readable manifest"):
        upgrade_artifact(former, market, tmp_path / "again")


def test_a_model_that_would_answer_otherwise_is_refused(former: Path, market: Market, tmp_path: Path) -> None:
    rewrite(former, "golden.json", lambda rows: [{**row, "probabilities": [1.0, 0.0, 0.0]} for row in rows])
    with pytest.raises(ArtifactRefused, match="golden row"):
        upgrade_artifact(former, market, tmp_path / "upgraded")


# -- the registry -------------------------------------------------------------------------------------------------


@pytest.fixture
def registry(tmp_path: Path) -> ModelRegistry:
    return ModelRegistry(tracking_uri=new_database(tmp_path / "mlflow"))


def register_former(registry: ModelRegistry, former: Path, **tags: str) -> Version:
    """Register an artifact as the former release did."""
    return registry.register(
        former,
        new_run(registry, former.parent),
        {"lineage": "a7e3feb6c245", "forest_digest": FOREST_DIGEST, "artifact_sha256": "former", **tags},
        json.loads((former / "bands.json").read_text()),
        loader_module="tests.resources.registered",
        requirements=["pandas"],
        example=pd.DataFrame({"district": ["şile"]}),
        answer={"price_category": "string"},
    )


@pytest.fixture
def three_versions(registry: ModelRegistry, former: Path) -> list[Version]:
    """Register three versions: the second has replaced the first in production, the third is staged."""
    first, second, third = (register_former(registry, former, note=name) for name in ("first", "second", "third"))
    registry.promote(first)
    registry.promote(second)
    registry.stage(third)
    return [first, second, third]


def named(registry: ModelRegistry) -> dict[str, int]:
    return {alias: version.number for version in registry.versions() for alias in version.aliases}


@pytest.mark.acceptance
@pytest.mark.usefixtures("three_versions")
def test_what_is_used_is_registered_anew_with_its_audit_trail(
    registry: ModelRegistry, market: Market, answers: list[dict[str, Any]], tmp_path: Path
) -> None:
    told: list[str] = []
    upgraded = upgrade_versions(registry, market, told.append)

    assert [(one.old, one.new, one.aliases) for one in upgraded] == [
        (1, 4, ()),
        (2, 5, (PRODUCTION,)),
        (3, 6, (STAGING,)),
    ]
    assert told == [
        "version 1 -> version 4",
        "version 2 -> version 5, now production",
        "version 3 -> version 6, now staging",
        *(f"version {number} has a model card" for number in (6, 5, 4)),
    ]
    assert named(registry) == {PRODUCTION: 5, STAGING: 6}
    versions = {version.number: version for version in registry.versions()}
    for old, new in ((1, 4), (2, 5), (3, 6)):
        kept = {**versions[old].tags}
        now = {**versions[new].tags}
        assert versions[new].run_id == versions[old].run_id
        assert now.pop(UPGRADED_FROM) == str(old)
        assert json.loads(now.pop(LINEAGE_CONTRACT))["categories"] == ["low", "medium", "high"]
        assert now.pop("artifact_sha256") != kept.pop("artifact_sha256")
        assert now.pop(CARD) == f"model_card/version-{new}"
        assert now.pop(REPLACED, None) == ("4" if new == 5 else None)
        assert now == {name: value for name, value in kept.items() if name not in (REPLACED, LINEAGE_CONTRACT)}
    card = registry.read_card(versions[5], MARKDOWN)
    beside = registry.client().list_artifacts(versions[5].run_id, "model_card/version-5")
    assert {Path(file.path).suffix for file in beside} == {".md", ".html", ".txt"}
    assert len(beside) == 3
    for text in (
        "version 5\n\nThe model of version 2, made of 767 listings, registered anew: macro-F1 0.6299",
        "wrote no model card",
        "It finds 'medium' least often: 51.6 %",
        "| high | 0.6552 | 0.6333 | 0.6441 |",
        f"| forest | {FOREST_DIGEST} |",
    ):
        assert text in card
    assert "estimate" not in card.split("## Limits")[0]  # it makes none
    contract = registry.lineage_contract()
    assert contract is not None
    assert contract["categories"] == ["low", "medium", "high"]

    folder = tmp_path / "downloaded"
    folder.mkdir()
    served = registry.download(versions[5], folder)
    assert sha256(served / MANIFEST) == versions[5].tags["artifact_sha256"]
    artifact = ModelArtifact.load(served)
    assert all(list(artifact.predict_one(row["cells"]).probabilities) == row["probabilities"] for row in answers)
    frame = registry.predict(versions[5], pd.DataFrame([row["cells"] for row in answers[:20]]))
    expected = [row["probabilities"] for row in answers[:20]]
    assert frame[["probability_low", "probability_medium", "probability_high"]].to_numpy().tolist() == expected

    old, new_one = registry.rollback(reason="as before")
    assert (old.number, new_one.number) == (5, 4)


@pytest.mark.trial
@pytest.mark.usefixtures("three_versions")
def test_a_second_upgrade_does_nothing(registry: ModelRegistry, market: Market) -> None:
    upgrade_versions(registry, market, str)
    before = registry.versions()
    told: list[str] = []

    assert upgrade_versions(registry, market, told.append) == []
    assert registry.versions() == before
    assert told == ["nothing to upgrade: the versions of HousingPriceClassifier in use have the form of this release"]


@pytest.mark.acceptance
@pytest.mark.usefixtures("three_versions")
@pytest.mark.parametrize(
    ("method", "calls"),
    [
        ("register", 1),
        *(pytest.param(*each, marks=pytest.mark.trial) for each in (("register", 2), ("tag", 0), ("point", 0))),
    ],
)
def test_an_upgrade_that_fails_moves_no_alias_and_can_be_run_again(
    registry: ModelRegistry, market: Market, monkeypatch: pytest.MonkeyPatch, method: str, calls: int
) -> None:
    done, working = [], getattr(ModelRegistry, method)

    def failing(*arguments: Any, **named_arguments: Any) -> Any:
        if len(done) == calls:
            raise OSError("the disk is full")
        done.append(method)
        return working(*arguments, **named_arguments)

    with monkeypatch.context() as patch:
        patch.setattr(ModelRegistry, method, failing)
        with pytest.raises(OSError, match="the disk is full"):
            upgrade_versions(registry, market, str)
    assert named(registry) == {PRODUCTION: 2, STAGING: 3}

    upgrade_versions(registry, market, str)

    assert named(registry) == {PRODUCTION: 5, STAGING: 6}
    assert len(registry.versions()) == 6
    assert registry.versions()[1].tags[REPLACED] == "4"


@pytest.mark.trial
@pytest.mark.usefixtures("three_versions")
def test_an_upgrade_that_fails_between_the_aliases_is_completed_by_the_next(
    registry: ModelRegistry, market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    working = ModelRegistry.point

    def failing(self: ModelRegistry, alias: str, version: Version) -> None:
        if alias == STAGING:
            raise OSError("gone")
        working(self, alias, version)

    with monkeypatch.context() as patch:
        patch.setattr(ModelRegistry, "point", failing)
        with pytest.raises(OSError, match="gone"):
            upgrade_versions(registry, market, str)
    assert named(registry) == {PRODUCTION: 5, STAGING: 3}

    assert [one.new for one in upgrade_versions(registry, market, str)] == [6]
    assert named(registry) == {PRODUCTION: 5, STAGING: 6}


@pytest.mark.usefixtures("three_versions")
def test_an_alias_that_was_moved_meanwhile_is_left_where_it_is(
    registry: ModelRegistry, market: Market, former: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    another, working = register_former(registry, former), ModelRegistry.tag

    def while_somebody_promotes(self: ModelRegistry, version: Version, tags: dict[str, str]) -> None:
        working(self, version, tags)
        self.point(PRODUCTION, another)

    monkeypatch.setattr(ModelRegistry, "tag", while_somebody_promotes)
    upgrade_versions(registry, market, str)

    assert named(registry) == {PRODUCTION: another.number, STAGING: 7}


@pytest.mark.usefixtures("three_versions")
def test_a_version_of_another_market_moves_nothing(registry: ModelRegistry, market: Market) -> None:
    dollars = other_market(market, target=PriceBands(("low", "medium", "high"), (0.4, 0.8), "USD"))

    with pytest.raises(ArtifactRefused, match=r"version 2 cannot be upgraded: .*bands are in TRY"):
        upgrade_versions(registry, dollars, str)
    assert named(registry) == {PRODUCTION: 2, STAGING: 3}
    assert len(registry.versions()) == 3


def test_a_replaced_version_that_cannot_be_upgraded_keeps_no_other_from_it(
    registry: ModelRegistry, market: Market, former: Path
) -> None:
    rules = (former / "rule.json").read_bytes()
    (former / "rule.json").write_bytes(b"damaged")
    registry.promote(register_former(registry, former))
    (former / "rule.json").write_bytes(rules)
    registry.promote(register_former(registry, former))
    told: list[str] = []

    upgrade_versions(registry, market, told.append)

    assert named(registry) == {PRODUCTION: 3}
    assert registry.versions()[0].tags[REPLACED] == "1"
    assert told[0].startswith("version 1, which production replaced, stays as it is: ")


def test_without_production_the_newest_version_is_upgraded_whose_price_bands_training_keeps(
    registry: ModelRegistry, market: Market, former: Path
) -> None:
    register_former(registry, former)

    upgrade_versions(registry, market, str)

    contract = registry.lineage_contract()
    assert contract is not None
    assert contract["categories"] == ["low", "medium", "high"]
    assert upgrade_versions(registry, market, str) == []


def test_an_empty_registry_has_nothing_to_upgrade(registry: ModelRegistry, market: Market) -> None:
    assert upgrade_versions(registry, market, str) == []
