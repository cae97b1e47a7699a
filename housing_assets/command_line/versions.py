"""The registered versions: the audit trail, and the way back."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from housing_assets.command_line.environment import prediction_store_of, read_settings, registry_of
from housing_assets.command_line.faults import CommandError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import date

    from resources.mlflow.registry import ModelRegistry, Version
    from resources.predictions.day_decisions import DayDecision

SHOWN_TAGS = (
    "lineage",
    "price_kind",
    "data_fingerprint",
    "labelled_days",
    "fine_tuned_from",
    "git_commit",
    "decision",
    "reason",
    "rolled_back",
)

versions_app = typer.Typer(invoke_without_command=True)


@versions_app.callback()
def versions(context: typer.Context) -> None:
    """List, describe, evaluate, export or upgrade registered versions, or build a bento of the one in production.

    Without a command: each version, the newest first, with aliases, provenance and promotion decision.
    """
    if context.invoked_subcommand is not None:
        return
    settings = read_settings()
    registry, held = registry_of(settings), prediction_store_of(settings).days().held
    told = [_describe(registry, version, held) for version in registry.versions()]
    print("\n\n".join(told) or "no version is registered yet: make materialize")


@versions_app.command()
def export(
    folder: Annotated[
        Path,
        typer.Argument(help="Folder to write; it must be new, empty, or hold a model artifact, which is replaced."),
    ],
) -> None:
    """Write the artifact in production to a folder."""
    import shutil
    from tempfile import TemporaryDirectory

    from housing_assets.inference.artifact import MANIFEST

    if folder.exists() and not (folder.is_dir() and ((folder / MANIFEST).is_file() or not any(folder.iterdir()))):
        raise CommandError(f"{folder} is neither an empty folder nor a model artifact: it is left alone")
    registry = registry_of(read_settings())
    version = _in_production(registry)
    with TemporaryDirectory() as temporary:
        artifact = registry.download(version, Path(temporary))
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(artifact, folder)
    print(f"version {version.number} -> {folder}")


@versions_app.command()
def card(
    version: Annotated[
        int | None, typer.Argument(help="Number of the version; by default the one in production.", show_default=False)
    ] = None,
    html: Annotated[bool, typer.Option("--html", help="Write a page for a browser instead of Markdown.")] = False,
    out: Annotated[
        Path | None, typer.Option(help="File to write, which must not exist yet; by default the card is printed.")
    ] = None,
) -> None:
    """Print the model card of a version, or write it to a file.

    What it learned from, what it is fit for, how good it is, its limits, and where it comes from.
    """
    from housing_assets.packaging.card.document import MARKDOWN, PAGE

    registry = registry_of(read_settings())
    try:
        chosen = _in_production(registry) if version is None else registry.numbered(version)
        text = registry.read_card(chosen, PAGE if html else MARKDOWN)
    except LookupError as fault:
        raise CommandError(f"{fault}: materialize model_card for the version that was registered last") from fault
    if out is None:
        print(text, end="")
        return
    try:
        with out.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as fault:
        raise CommandError(f"{out} cannot be written: {fault.strerror}") from fault
    print(f"version {chosen.number} -> {out}")


@versions_app.command()
def evaluate(
    source: Annotated[str, typer.Argument(help="Listings with their targets, as HOUSING_SOURCE takes them.")],
    version: Annotated[
        int | None, typer.Option(help="Number of the version; by default the one in production.", show_default=False)
    ] = None,
    since: Annotated[
        datetime | None,
        typer.Option(help="First day that counts, such as 2026-03-01.", formats=["%Y-%m-%d"], show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Print how well a version does on listings of a file.

    On those that came after it, above all: listings that it learned from flatter it.
    """
    import json
    from dataclasses import asdict
    from tempfile import TemporaryDirectory

    from housing_assets.inference.artifact import ModelArtifact
    from housing_assets.listings.source import read_listings
    from housing_assets.packaging.version_evaluation import evaluate_version
    from resources.object_store import ObjectStore

    registry = registry_of(read_settings())
    chosen = _in_production(registry) if version is None else registry.numbered(version)
    with TemporaryDirectory() as temporary:
        artifact = ModelArtifact.load(registry.download(chosen, Path(temporary)))
    raw = read_listings(artifact.market, source, ObjectStore().client).frame
    found = evaluate_version(artifact, raw, since.date() if since else None)
    if as_json:
        print(json.dumps({"version": chosen.number, **asdict(found)}, indent=1))
        return
    days = f" of {' to '.join(found.days)}" if found.days else ""
    left_out = "".join(f"; {count:,} {reason}" for reason, count in found.left_out.items())
    print(f"version {chosen.number} on {found.listings:,} listings{days}{left_out}")
    print("\n".join(f"  {name:<38} {value:.10g}" for name, value in found.metrics.items()))


@versions_app.command()
def bento() -> None:
    """Build a bento of the version in production.

    Every training builds one; `make container` makes the image of the one that was built last.
    """
    from tempfile import TemporaryDirectory

    from housing_assets.packaging.registered_bento import build_bento_of

    settings = read_settings()
    registry = registry_of(settings)
    version = _in_production(registry)
    with TemporaryDirectory() as temporary:
        artifact = registry.download(version, Path(temporary))
        print(build_bento_of(version, artifact, settings.market_storage / "bentoml"))


@versions_app.command()
def upgrade() -> None:
    """Register versions of an older release anew.

    Each gets the form that this release reads.
    """
    from housing_assets.market_loading import load_market
    from housing_assets.packaging.upgrade import upgrade_versions

    settings = read_settings()
    upgrade_versions(registry_of(settings), load_market(settings.market), print)


def rollback(
    to: Annotated[
        int | None, typer.Option(help="Number of the version; by default the one that the current version replaced.")
    ] = None,
    reason: Annotated[str, typer.Option(help="Why; it is stored in the audit trail.")] = "",
) -> None:
    """Point production at an earlier version.

    It takes effect at once: services follow the registry.
    """
    try:
        old, new = registry_of(read_settings()).rollback(to, reason)
    except LookupError as fault:
        raise CommandError(f"not rolled back: {fault}") from fault
    print(f"production: version {old.number} -> version {new.number}")


def learned_held_days(version: "Version", held: "Collection[date]") -> "list[date]":
    """Return the held days that a version learned from, or was judged on."""
    from resources.mlflow.registry import LABELLED_DAYS
    from resources.predictions.day_decisions import read_ranges

    return sorted(read_ranges(version.tags.get(LABELLED_DAYS, "")) & set(held))


def _in_production(registry: "ModelRegistry") -> "Version":
    from resources.mlflow.registry import PRODUCTION

    version = registry.with_alias(PRODUCTION)
    if version is None:
        raise CommandError("no version is in production: make materialize")
    return version


def _describe(registry: "ModelRegistry", version: "Version", held: "Mapping[date, DayDecision]") -> str:
    logged = registry.client().get_run(version.run_id).data
    told = {name: version.tags[name] for name in SHOWN_TAGS if name in version.tags}
    told["parameters"] = ", ".join(f"{name}={value}" for name, value in sorted(logged.params.items()))
    told["metrics"] = ", ".join(f"{name}={value:.4f}" for name, value in sorted(logged.metrics.items()))
    told["mlflow run"] = version.run_id
    learned = learned_held_days(version, held)
    if learned:
        told["learned held days"] = "; ".join(f"{day}: {held[day].reason}" for day in learned)
    lines = [f"version {version.number}  {', '.join(version.aliases)}".rstrip()]
    return "\n".join([*lines, *(f"  {name:<17} {value}" for name, value in told.items() if value)])
