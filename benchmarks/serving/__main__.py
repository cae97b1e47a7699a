"""``python -m benchmarks.serving`` measures the service beside others and writes the results down."""

import argparse
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks.measure import child_environment, run_module, tell
from benchmarks.report import write_section
from benchmarks.serving.answers import require_same_answers
from benchmarks.serving.disturbance import Disturbance
from benchmarks.serving.files import INVOCATIONS, REQUESTS
from benchmarks.serving.load import Client, grpc_client, http_client, require_wrk
from benchmarks.serving.report import ADAPTED, GRPC_NOTHING, MLFLOW, MOUNTED, NOTHING, OURS, USUAL, Findings, section
from benchmarks.serving.rounds import CONCURRENCIES, Rounds, run_rounds
from benchmarks.serving.servers import (
    KEY,
    bentoml_recipe,
    grpc_floor_recipe,
    mlflow_recipe,
    running,
    usual_recipe,
)
from benchmarks.serving.store import require_all_stored, wait_until_stored
from bento_service.auth import digest

README = Path(__file__).with_name("README.md")
QUICK_ROWS = 2_000


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.serving",
        description="Measure the service beside servers that do nothing and the usual ways to serve, by turns.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--rows", type=int, default=6_000, help="synthetic ads to train on, where no model is given")
    parser.add_argument("--model", type=Path, help="folder of a model artifact; with --source")
    parser.add_argument("--source", help="the ads that it was trained on, as HOUSING_SOURCE; requests are from there")
    parser.add_argument("--label", help="what the section calls the ads, such as 'real Istanbul listings'")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each server, after a warm-up")
    parser.add_argument("--seconds", type=int, default=3, help="of each load")
    parser.add_argument("--starts", type=int, default=5, help="times that the service is started")
    parser.add_argument(
        "--quick", action="store_true", help="a look: few ads, one short round, one start; only printed"
    )
    parser.add_argument("--out", type=Path, default=README, help="Markdown file for the results")
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print, and write the section."""
    given = parser().parse_args(argv)
    if (given.model is None) != (given.source is None):
        parser().error("--model and --source go together: the usual model is trained on the ads of the source")
    if given.quick:
        given.rounds, given.seconds, given.starts = 1, 2, 1
        given.rows = min(given.rows, QUICK_ROWS)
    require_wrk()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # so that the servers are stopped, too
    with tempfile.TemporaryDirectory() as folder:
        findings = measure(given, Path(folder))
    label = given.label or ("own listings" if given.source else "synthetic listings")
    print(section(label, findings))
    if not given.quick:
        write_section(given.out, label, section(label, findings))


def measure(given: argparse.Namespace, folder: Path) -> Findings:
    """Make the inputs, start every server, and let them take turns."""
    environment = child_environment(folder)
    tell("making the inputs")
    taken = [str(given.model.absolute()), given.source] if given.model else []
    facts = run_module("benchmarks.serving.inputs", folder, given.rows, *taken, environment=environment)
    model_seconds = run_module("benchmarks.serving.in_process", folder, environment=environment)

    known = digest(KEY).hex()
    our_recipe = bentoml_recipe(OURS, "bento_service.service:HousingPriceClassifier", folder, known)
    starts = []
    for _ in range(given.starts):
        with running(our_recipe, folder, environment) as server:
            starts.append(server.seconds_to_ready)
            tell(f"ready in {starts[-1]:.2f} s")

    with ExitStack() as stack:
        servers = [
            stack.enter_context(running(recipe, folder, environment))
            for recipe in (
                our_recipe,
                bentoml_recipe(NOTHING, "benchmarks.serving.floor:Nothing", folder, known),
                bentoml_recipe(ADAPTED, "benchmarks.serving.adapted:NothingAdapted", folder, known),
                bentoml_recipe(MOUNTED, "benchmarks.serving.floor:NothingMounted", folder, known),
                usual_recipe(USUAL, folder),
                mlflow_recipe(MLFLOW, folder),
                grpc_floor_recipe(GRPC_NOTHING),
            )
        ]
        ours, nothing, adapted, mounted, usual, mlflow, grpc_nothing = servers
        disturbance = Disturbance(servers)

        def finish() -> None:
            wait_until_stored(ours)

        def take_turns(clients: dict[str, Client]) -> Rounds:
            return run_rounds(
                clients, rounds=given.rounds, seconds=given.seconds, n_requests=facts["requests"], report=tell
            )

        n_compared = require_same_answers(folder, ours, mlflow)
        bodies = folder / REQUESTS
        http = take_turns(
            {
                OURS: http_client(ours, bodies, environment, finish),
                NOTHING: http_client(nothing, bodies, environment),
                ADAPTED: http_client(adapted, bodies, environment),
                MOUNTED: http_client(mounted, bodies, environment),
                USUAL: http_client(usual, bodies, environment),
                MLFLOW: http_client(mlflow, folder / INVOCATIONS, environment),
            }
        )
        grpc = take_turns(
            {
                OURS: grpc_client(ours, ours.second_address, folder, environment, finish),
                GRPC_NOTHING: grpc_client(grpc_nothing, grpc_nothing.address, folder, environment),
            }
        )
        seen = n_compared + http.answered[OURS] + grpc.answered[OURS]
        stored = require_all_stored(ours, seen, sum(CONCURRENCIES) * (given.rounds + 1))
        memory = {server.recipe.name: server.worker_memory() for server in (ours, nothing, usual, mlflow)}
        disturbed = disturbance.share()
    return Findings(facts, model_seconds, starts, memory, http, grpc, stored, disturbed)


if __name__ == "__main__":
    main()
