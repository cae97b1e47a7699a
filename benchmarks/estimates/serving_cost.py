"""``python -m benchmarks.estimates.serving_cost`` finds what an answer costs with an estimate and with an explanation.

The real service is asked over one connection about King County's sales: a version without an estimator, the same one
with it, and that one for explanations. Processor time is that of all its processes until everything is stored.
"""

import argparse
import http.client
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import orjson

from benchmarks.measure import child_environment, run_process
from benchmarks.report import bytes_text, machine, spread, table, write_section
from benchmarks.serving.servers import KEY, Recipe, Server, bentoml_recipe, running
from benchmarks.serving.store import wait_until_stored
from bento_service.auth import digest

README = Path(__file__).with_name("README.md")
CATEGORY, ESTIMATE = "category", "estimate"
REQUESTS = "requests.jsonl"


def train(folder: Path, source: str, n_trees: int) -> None:
    """Write the artifact with and without its estimator, and the requests."""
    from benchmarks.model import balanced
    from housing_assets.features.crossing import cross_frame
    from housing_assets.features.encoded import EncodedListings
    from housing_assets.features.encoder import ListingEncoder
    from housing_assets.features.price_index_learning import learn_price_index
    from housing_assets.features.split import HELD_OUT, held_out, learn_labels
    from housing_assets.listings.cleaning import clean
    from housing_assets.listings.origins import ORIGIN, SOURCE
    from housing_assets.listings.source import read_listings
    from housing_assets.market_loading import load_market
    from housing_assets.packaging.assembly import assemble
    from housing_assets.training.estimate_learning import learn_estimator
    from housing_assets.training.forest import grow_at_once
    from housing_assets.training.parameters import ForestParameters

    market = load_market("king_county")
    raw = read_listings(market, source).frame
    listings = clean(market, raw).listings
    labels = learn_labels(market, listings)
    crossed = cross_frame(market, listings).assign(**{HELD_OUT: held_out(market, labels, listings), ORIGIN: SOURCE})
    index = learn_price_index(market, crossed[~crossed[HELD_OUT]]).index
    encoded = EncodedListings.encode(crossed, labels, ListingEncoder(market, index=index))
    forest = grow_at_once(balanced(encoded), ForestParameters(n_trees=n_trees))
    for name, estimator in ((CATEGORY, None), (ESTIMATE, learn_estimator(forest, encoded, crossed))):
        (folder / name).mkdir()
        made_from = {"forest_digest": forest.digest()}
        assemble(encoded, forest, {}, made_from, crossed, raw, estimator=estimator).save(folder / name)
    asked = raw[[column.raw for column in market.inputs]].astype(object).to_dict("records")
    cells = [{name: cell for name, cell in each.items() if isinstance(cell, str) and cell} for each in asked]
    usable = [each for each in cells if not market.parse_listing(each, with_target=False)[1]]
    (folder / REQUESTS).write_bytes(b"\n".join(orjson.dumps(each) for each in usable))


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print, and write the section."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.estimates.serving_cost", description=__doc__)
    parser.add_argument("source", type=Path, help="King County's sales, as HOUSING_SOURCE")
    parser.add_argument("--trees", type=int, default=200)
    parser.add_argument("--requests", type=int, default=1_000, help="of each turn; a tenth of it for explanations")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each, after a warm-up")
    parser.add_argument("--out", type=Path, default=README, help="Markdown file for the results")
    given = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as name:
        section = measure(given, Path(name))
    print(section)
    write_section(given.out, "serving cost", section)


def measure(given: argparse.Namespace, folder: Path) -> str:
    """Return the table."""
    environment = child_environment(folder)
    code = "import sys; from pathlib import Path; from benchmarks.estimates.serving_cost import train; "
    code += "train(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))"
    run_process([sys.executable, "-c", code, str(folder), str(given.source), str(given.trees)], environment)
    bodies = (folder / REQUESTS).read_bytes().splitlines()
    cpu: dict[str, list[float]] = {}
    wall: dict[str, list[float]] = {}
    memory: dict[str, int] = {}
    recipes = {name: _recipe(name, folder) for name in (CATEGORY, ESTIMATE)}
    with (
        running(recipes[CATEGORY], folder, environment) as alone,
        running(recipes[ESTIMATE], folder, environment) as all_,
    ):
        asked = {
            CATEGORY: (alone, "/predict", given.requests),
            ESTIMATE: (all_, "/predict", given.requests),
            "explanation": (all_, "/explain", given.requests // 10),
        }
        for number in range(given.rounds + 1):
            for name, (server, path, count) in asked.items():
                first = number * count
                found = _ask(server, path, [bodies[(first + row) % len(bodies)] for row in range(count)])
                if number:
                    cpu.setdefault(name, []).append(found[0])
                    wall.setdefault(name, []).append(found[1])
                print(f"{name}: {1e6 * found[0]:.0f} µs", file=sys.stderr, flush=True)
            if not number:
                memory = {CATEGORY: alone.worker_memory().rss, ESTIMATE: all_.worker_memory().rss}
        memory["explanation"] = all_.worker_memory().rss
    titles = {CATEGORY: "category alone", ESTIMATE: "with estimate and comparables", "explanation": "`/explain`"}
    rows = []
    for name, title in titles.items():
        stored = folder / (CATEGORY if name == CATEGORY else ESTIMATE)
        size = sum(path.stat().st_size for path in stored.iterdir())
        rows.append(
            (title, spread(cpu[name], _time), spread(wall[name], _time), bytes_text(memory[name]), bytes_text(size))
        )
    more = [extended / plain - 1 for extended, plain in zip(cpu[ESTIMATE], cpu[CATEGORY], strict=True)]
    header = ("", "CPU per request", "time of an answer", "worker's memory (RSS)", "artifact")
    said = f"With the estimate, an answer takes {spread(more, lambda share: f'{share:.0%}')} more of the processor."
    rounds = (
        f"Medians of {given.rounds} rounds (least to most) of {given.requests:,} requests, a tenth for explanations."
    )
    title = f"### Cost of an answer over HTTP: {given.trees} trees"
    return "\n\n".join([title, table(header, rows), said, rounds, machine()])


def _recipe(name: str, folder: Path) -> Recipe:
    made = bentoml_recipe(f"serving_{name}", "bento_service.service:HousingPriceClassifier", folder, digest(KEY).hex())
    return replace(made, environment={**made.environment, "HOUSING_MODEL_FOLDER": str(folder / name)})


def _ask(server: Server, path: str, bodies: Sequence[bytes]) -> tuple[float, float]:
    """Ask one after the other; return processor time and time of a request, in seconds.

    Raises
    ------
    ValueError
        If one is not answered.
    """
    server.wait_until_idle()
    before, seconds = server.cpu_seconds(), 0.0
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    headers = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
    for body in bodies:
        started = time.perf_counter()
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        said = answer.read()
        seconds += time.perf_counter() - started
        if answer.status != http.client.OK:
            raise ValueError(f"{path} answered {answer.status}: {json.loads(said)}")
    connection.close()
    wait_until_stored(server)
    server.wait_until_idle()
    return (server.cpu_seconds() - before) / len(bodies), seconds / len(bodies)


def _time(seconds: float) -> str:
    return f"{1e6 * seconds:,.0f} µs" if seconds < 0.01 else f"{1e3 * seconds:.0f} ms"


if __name__ == "__main__":
    main()
