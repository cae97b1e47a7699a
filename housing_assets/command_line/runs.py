"""Runs of the market's assets, launched as ``dg launch`` does."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from housing_assets.command_line.days import read_day
from housing_assets.command_line.environment import dagster_instance, environment_of, read_settings, registry_of
from housing_assets.command_line.faults import CommandError
from housing_assets.command_line.processes import run, run_known

if TYPE_CHECKING:
    import dagster as dg

    from resources.mlflow.registry import Version
    from resources.settings import Settings


def materialize(
    if_older_than: Annotated[
        float | None,
        typer.Option(min=0, metavar="DAYS", help="Do nothing where a version was registered within so many days."),
    ] = None,
    queue: Annotated[
        bool, typer.Option("--queue", help="Leave it to the daemon: the run waits in the queue of the instance.")
    ] = False,
    workspace: Annotated[
        Path, typer.Option(help="File that names the code location, for --queue.", dir_okay=False)
    ] = Path("workspace.yaml"),
) -> None:
    """Materialize every asset of the market.

    From the listings to the bento; then shows what was built.
    """
    from housing_assets.command_line.summary import summary

    settings = read_settings()
    if if_older_than is not None and (newest := _newest_within(settings, timedelta(days=if_older_than))):
        print(f"version {newest.number} was registered at {newest.registered_at:%Y-%m-%d %H:%M} UTC: nothing to do")
        return
    if queue:
        raise typer.Exit(run(queued_training(workspace), environment_of(settings)))
    _launch(settings, "--assets", training_selection(settings))
    summary()


def _newest_within(settings: "Settings", age: timedelta) -> "Version | None":
    versions = registry_of(settings).versions()
    return versions[0] if versions and datetime.now(UTC) - versions[0].registered_at < age else None


def judge(
    day: Annotated[
        str, typer.Argument(help="Day of production (UTC), such as 2026-03-01.", metavar="[DAY]")
    ] = "yesterday",
) -> None:
    """Judge a day of production, and show what was found.

    As the daemon does each night; yesterday by default. The exit code is 0 once the day is judged, whatever was found.
    """
    settings, judged = read_settings(), read_day(day)
    today = datetime.now(UTC).date()
    if not settings.monitoring_start <= judged <= today:
        raise CommandError(
            f"the day is {judged}: expected one from {settings.monitoring_start} (HOUSING_MONITORING_START) to today, "
            f"{today} (UTC)"
        )
    for told in _verdicts(judged, _launch(settings, "--job", "daily_monitoring", "--partition", judged.isoformat())):
        print(told)


def queued_training(workspace: Path) -> list[str]:
    """Return the command that puts a training into the queue, which `dg launch` passes by."""
    from housing_assets.definitions import RETRAINING

    return ["dagster", "job", "launch", "--workspace", str(workspace), "--job", RETRAINING]


def training_selection(settings: "Settings") -> str:
    """Return what a training materializes, in the syntax of ``dg launch --assets``."""
    from housing_assets.definitions import START

    return f'key:"{"/".join((*settings.key_prefix, START))}"+'


def _launch(settings: "Settings", *options: str) -> Sequence["dg.DagsterEvent"]:
    """Launch a run and wait for its end; say after all that was logged, in a line for each step, why it failed.

    Returns
    -------
    events : sequence of DagsterEvent
        What steps failed and what checks found.
    """
    launched = datetime.now(UTC)
    code, process = run_known(["dg", "launch", *options], environment_of(settings))
    events = _events(settings, launched, process)
    if not code:
        return events
    for event in events:
        if told := _in_a_line(event):
            typer.echo(f"housing: {told}", err=True)
    raise typer.Exit(code)


def _events(settings: "Settings", launched: datetime, process: int) -> Sequence["dg.DagsterEvent"]:
    """Return what steps failed and what checks found in the run that a process has executed.

    ``dg launch`` takes no tag to know its run by, and a sensor, a schedule or another market may have launched one in
    the meantime. Every run has stored the id of the process that executes it, which is that of ``dg launch`` itself.
    """
    import dagster as dg

    with dagster_instance(settings) as instance:
        for record in instance.get_run_records(dg.RunsFilter(created_after=launched)):
            run_id = record.dagster_run.run_id
            if process in _processes(instance, run_id):
                told = {dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.ASSET_CHECK_EVALUATION}
                found = instance.get_records_for_run(run_id, of_type=told).records
                return [event for one in found if (event := one.event_log_entry.dagster_event) is not None]
    return ()


def _processes(instance: "dg.DagsterInstance", run_id: str) -> set[int | None]:
    import dagster as dg

    starts = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.RUN_START).records
    return {event.pid for start in starts if (event := start.event_log_entry.dagster_event) is not None}


def _verdicts(judged: date, events: Sequence["dg.DagsterEvent"]) -> Iterator[str]:
    """Tell how many checks failed of those that were made, and each of these with what it found."""
    import dagster as dg

    made = [found for event in events if isinstance(found := event.event_specific_data, dg.AssetCheckEvaluation)]
    failed = [found for found in made if not found.passed]
    yield f"\n{judged}: {len(failed)} of {len(made)} checks failed"
    for found in failed:
        asset = found.asset_key.to_user_string()
        yield f"  {found.check_name} of {asset} ({found.severity.value}): {found.description}"


def _in_a_line(event: "dg.DagsterEvent") -> str:
    """Return what a step or a blocking check failed for, without the traceback; empty for a check that passed."""
    import dagster as dg

    found = event.event_specific_data
    if isinstance(found, dg.AssetCheckEvaluation):
        failed = not found.passed and found.blocking
        return f"{found.check_name} of {found.asset_key.to_user_string()}: {found.description}" if failed else ""
    failure = event.step_failure_data
    if failure.user_failure_data is not None and failure.user_failure_data.description:
        return f"{event.step_key}: {failure.user_failure_data.description}"
    error = failure.error
    said = (error.cause or error).message.strip().partition("\n")[0] if error else "failed"
    return f"{event.step_key}: {said}"
