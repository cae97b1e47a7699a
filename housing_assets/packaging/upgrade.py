"""Registers versions of the former release anew, in the form that this release reads.

Nothing is learned again: the forest, the scores and the shares stay as they are, and so does every answer.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from housing_assets.inference.artifact import FORMAT, MANIFEST, ArtifactRefused, ModelArtifact
from housing_assets.inference.market import Market
from housing_assets.packaging.former_release import read_former
from resources.mlflow.registry import CARD, PRODUCTION, REPLACED, STAGING, ModelRegistry, Version

UPGRADED_FROM = "upgraded_from"
"""Tag of a version: the version of the former release whose model it is."""


@dataclass(frozen=True)
class Upgraded:
    """A version that was registered anew, and the aliases that were moved to it."""

    old: int
    new: int
    aliases: tuple[str, ...]


def upgrade_artifact(folder: Path, market: Market, into: Path) -> None:
    """Rewrite an artifact of format 3 as one of this release, which gives the same answers.

    Parameters
    ----------
    folder : Path
        It is only read.
    market : Market
        Whose listings the model was trained on; format 3 does not say.
    into : Path
        Made if it is not there.

    Raises
    ------
    ArtifactRefused
        If the artifact is damaged, has another format, or was trained on other columns than the market declares, or
        if what was written does not predict what the artifact did.
    """
    artifact = read_former(folder, market)
    into.mkdir(parents=True, exist_ok=True)
    artifact.save(into)
    ModelArtifact.load(into)


def upgrade_versions(registry: ModelRegistry, market: Market, report: Callable[[str], object]) -> list[Upgraded]:
    """Register anew what production and staging name, and the version that production would go back to.

    The aliases are moved when all else is done, each at once: until then, and whatever fails, the registry serves what
    it served. Then what was registered anew, now or before, gets a model card where it has none; a card that cannot be
    written is told of. It can be run again, and does nothing where nothing is left to do.

    Parameters
    ----------
    registry : ModelRegistry
    market : Market
        Whose model it is.
    report : callable
        Takes a line about what was done.

    Raises
    ------
    ArtifactRefused
        If a version that an alias names cannot be upgraded; no alias was moved.
    mlflow.exceptions.MlflowException
        If the registry fails.
    """
    needed, wanted = _versions_to_upgrade(registry)
    anew: dict[int, Version] = {}
    for version in wanted:
        try:
            anew[version.number] = _registered_before(registry, version) or _register_anew(registry, version, market)
        except ArtifactRefused as refusal:
            if version in needed:
                raise ArtifactRefused(f"version {version.number} cannot be upgraded: {refusal}") from refusal
            report(f"version {version.number}, which production replaced, stays as it is: {refusal}")
    for version in wanted:
        replaced = version.tags.get(REPLACED, "")
        if version.number in anew and replaced.isdecimal() and int(replaced) in anew:
            registry.tag(anew[version.number], {REPLACED: str(anew[int(replaced)].number)})
    upgraded = [
        Upgraded(version.number, anew[version.number].number, _move_aliases(registry, version, anew[version.number]))
        for version in wanted
        if version.number in anew
    ]
    for one in upgraded:
        report(f"version {one.old} -> version {one.new}" + (f", now {', '.join(one.aliases)}" if one.aliases else ""))
    carded = _attach_cards(registry, report)
    if not upgraded and not carded:
        report(f"nothing to upgrade: the versions of {registry.model_name} in use have the form of this release")
    return upgraded


def _versions_to_upgrade(registry: ModelRegistry) -> tuple[list[Version], list[Version]]:
    """Return the versions of the former release that must be upgraded, and those with the one that was replaced.

    Where none is in production, training follows the label scheme of the newest version.
    """
    versions = registry.versions()
    production = next((version for version in versions if PRODUCTION in version.aliases), None)
    used = [version for version in versions if {PRODUCTION, STAGING} & {*version.aliases}]
    if production is None:
        used += [version for version in versions[:1] if version not in used]
    needed = [version for version in used if _is_former(registry, version)]
    replaced = production.tags.get(REPLACED, "") if production else ""
    before = [
        version
        for version in versions
        if str(version.number) == replaced and version not in used and _is_former(registry, version)
    ]
    return needed, sorted([*needed, *before], key=lambda version: version.number)


def _is_former(registry: ModelRegistry, version: Version) -> bool:
    return bool(json.loads(registry.read_text(version, MANIFEST)).get("format") != FORMAT)


def _registered_before(registry: ModelRegistry, version: Version) -> Version | None:
    """Return what an upgrade that failed later made of a version: it was registered with its tags or not at all."""
    number = str(version.number)
    return next((each for each in registry.versions() if each.tags.get(UPGRADED_FROM) == number), None)


def _register_anew(registry: ModelRegistry, version: Version, market: Market) -> Version:
    from housing_assets.packaging.registration import manifest_tags, register_artifact
    from resources.mlflow.registry import LINEAGE_CONTRACT
    from resources.settings import Settings

    with TemporaryDirectory() as temporary:
        folder = Path(temporary) / "artifact"
        upgrade_artifact(registry.download(version, Path(temporary) / "former"), market, folder)
        tags = {name: value for name, value in version.tags.items() if name != LINEAGE_CONTRACT}
        tags |= {UPGRADED_FROM: str(version.number)}
        tags |= manifest_tags(folder, Settings(market=market.name).signing_key)
        return register_artifact(registry, market, folder, version.run_id, tags)


def _attach_cards(registry: ModelRegistry, report: Callable[[str], object]) -> int:
    """Give what was registered anew the model card that it lacks; return how many that are."""
    attached = 0
    for version in registry.versions():
        if UPGRADED_FROM in version.tags and CARD not in version.tags:
            try:
                _attach_card(registry, version)
            except ArtifactRefused as refusal:
                report(f"version {version.number} gets no model card: {refusal}")
            else:
                report(f"version {version.number} has a model card")
                attached += 1
    return attached


def _attach_card(registry: ModelRegistry, version: Version) -> None:
    from housing_assets.packaging.card.document import ModelCard
    from housing_assets.packaging.card.upgraded import write_upgraded_card

    parameters = registry.client().get_run(version.run_id).data.params
    with TemporaryDirectory() as temporary:
        artifact = ModelArtifact.load(registry.download(version, Path(temporary) / "artifact"))
        card = ModelCard.of(write_upgraded_card(version, version.tags[UPGRADED_FROM], artifact, parameters))
        folder = Path(temporary) / "card"
        folder.mkdir()
        card.save(folder)
        registry.attach_card(version, folder, card.summary)


def _move_aliases(registry: ModelRegistry, old: Version, new: Version) -> tuple[str, ...]:
    """Point the aliases of a version to what was made of it, but for one that somebody has moved meanwhile."""
    moved = []
    for alias in (PRODUCTION, STAGING):
        named = registry.with_alias(alias)
        if named is not None and named.number == old.number:
            registry.point(alias, new)
            moved.append(alias)
    return tuple(moved)
