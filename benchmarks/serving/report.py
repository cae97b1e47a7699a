"""Judges what was measured against the aims, and lays it out as Markdown."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from statistics import median
from typing import NamedTuple

from benchmarks.report import machine, spread, table
from benchmarks.serving.load import Load
from benchmarks.serving.rounds import CONCURRENCIES, Rounds
from benchmarks.serving.servers import Memory

OURS = "ours"
NOTHING = "nothing"
ADAPTED = "adapted"
MOUNTED = "mounted"
USUAL = "usual"
MLFLOW = "mlflow"
GRPC_NOTHING = "grpc_nothing"
TITLES = {
    OURS: "the service",
    NOTHING: "BentoML doing nothing",
    ADAPTED: "BentoML with the service's adapter, doing nothing",
    MOUNTED: "the same with the adapter mounted",
    USUAL: "FastAPI with pandas and scikit-learn",
    MLFLOW: "`mlflow models serve`",
    GRPC_NOTHING: "`grpc.aio` doing nothing",
}
"""The servers, and what the tables call them."""

LIBRARIES = ("bentoml", "fastapi", "grpcio", "mlflow", "uvicorn", "uvloop")

LEAST_OF_NOTHING = 0.85
MOST_CPU_OF_NOTHING = 1.2
MOST_P99_OF_NOTHING = 1.3
"""At the greater concurrency."""
MOST_CPU_ABOVE_GRPC = 150e-6
"""Seconds per request beside a ``grpc.aio`` server that does nothing."""
LEAST_OF_USUAL = 40
LEAST_OF_MLFLOW = 10
MOST_P99 = 0.005
"""One request at once."""
MOST_IN_PROCESS = 0.00015
MOST_MEMORY = 240e6
MOST_START = 5.0
MOST_LOAD = 0.2


@dataclass(frozen=True)
class Findings:
    """Everything that was measured.

    Attributes
    ----------
    facts : mapping of str to int
        Numbers of ``listings``, ``trees`` and ``requests``.
    model_seconds : mapping of str to float
        In process: ``load`` of the artifact, ``p50`` and ``p99`` of predicting one ad.
    starts : sequence of float
        Seconds from each start of the service to its readiness.
    memory : mapping of str to Memory
        Of the process that answers, after all load, by server.
    http, grpc : Rounds
    stored : int
        Predictions in the store.
    disturbed : float
        Share of the processors that other processes took during the rounds, 0 to 1.
    """

    facts: Mapping[str, int]
    model_seconds: Mapping[str, float]
    starts: Sequence[float]
    memory: Mapping[str, Memory]
    http: Rounds
    grpc: Rounds
    stored: int
    disturbed: float


class Verdict(NamedTuple):
    """An aim, what was seen, and whether it is reached."""

    what: str
    aim: str
    seen: str
    reached: bool


def section(label: str, findings: Findings) -> str:
    """Return the tables under a heading."""
    facts = findings.facts
    verdicts = [(each.what, each.aim, each.seen, "yes" if each.reached else "no") for each in _judge(findings)]
    header = ("server", "at once", "requests/s", "p50", "p99", "CPU per request")
    memory = [(TITLES[name], _megabytes(held.rss), _megabytes(held.pss)) for name, held in findings.memory.items()]
    libraries = ", ".join(f"{library} {version(library)}" for library in LIBRARIES)
    return "\n\n".join(
        [
            f"### {facts['trees']} trees grown on {facts['listings']:,} {label}",
            table(("", "aim", "seen (least to most)", "reached"), verdicts),
            f"{findings.stored:,} answers of the service were counted, and as many predictions were in its store.",
            "HTTP, one ad in a request, medians of the rounds:",
            table(header, _figures(findings.http)),
            "gRPC, the same:",
            table(header, _figures(findings.grpc)),
            "Memory of the process that answers, after all load:",
            table(("server", "RSS", "PSS"), memory),
            f"Other processes took {findings.disturbed:.0%} of the processors meanwhile.",
            machine(),
            f"Servers: {libraries}.",
        ]
    )


def _judge(findings: Findings) -> Iterator[Verdict]:
    http, grpc, seconds = findings.http, findings.grpc, findings.model_seconds
    for concurrency in CONCURRENCIES:
        yield _judge_rate(http, "HTTP", NOTHING, concurrency, LEAST_OF_NOTHING)
        yield _judge_most(http, "CPU per request", concurrency, _cpu, MOST_CPU_OF_NOTHING)
    for concurrency in CONCURRENCIES:
        yield _judge_rate(http, "HTTP", USUAL, concurrency, LEAST_OF_USUAL)
        yield _judge_rate(http, "HTTP", MLFLOW, concurrency, LEAST_OF_MLFLOW)
    for concurrency in CONCURRENCIES:
        yield _judge_grpc_cpu(grpc, concurrency)
    one, many = CONCURRENCIES
    yield _judge_seconds(f"HTTP, p99, {one} at once", [load.p99 for load in http.loads[OURS, one]], MOST_P99)
    yield _judge_most(http, "p99", many, _p99, MOST_P99_OF_NOTHING)
    yield _judge_seconds("Raw texts to probabilities, in process", [seconds["p50"]], MOST_IN_PROCESS)
    yield _judge_seconds("Loading the model artifact", [seconds["load"]], MOST_LOAD)
    yield _judge_seconds("Start to ready", findings.starts, MOST_START)
    held = findings.memory[OURS]
    yield Verdict(
        "Memory of a worker (RSS)", f"≤ {_megabytes(MOST_MEMORY)}", _megabytes(held.rss), held.rss <= MOST_MEMORY
    )


def _judge_rate(rounds: Rounds, protocol: str, other: str, concurrency: int, least: float) -> Verdict:
    ratios = rounds.ratios(OURS, other, concurrency, _rate)
    what = f"{protocol}, requests/s ÷ {TITLES[other]}, {concurrency} at once"
    return Verdict(what, f"≥ {least:g} ×", spread(ratios, _ratio), median(ratios) >= least)


def _judge_most(rounds: Rounds, name: str, concurrency: int, figure: Callable[[Load], float], most: float) -> Verdict:
    ratios = rounds.ratios(OURS, NOTHING, concurrency, figure)
    what = f"HTTP, {name} ÷ {TITLES[NOTHING]}, {concurrency} at once"
    return Verdict(what, f"≤ {most:g} ×", spread(ratios, _ratio), median(ratios) <= most)


def _judge_grpc_cpu(rounds: Rounds, concurrency: int) -> Verdict:
    pairs = zip(rounds.loads[OURS, concurrency], rounds.loads[GRPC_NOTHING, concurrency], strict=True)
    above = [_cpu(ours) - _cpu(nothing) for ours, nothing in pairs]
    return _judge_seconds(
        f"gRPC, CPU per request above {TITLES[GRPC_NOTHING]}, {concurrency} at once", above, MOST_CPU_ABOVE_GRPC
    )


def _judge_seconds(what: str, found: Sequence[float], most: float) -> Verdict:
    return Verdict(what, f"≤ {_time(most)}", spread(found, _time), median(found) <= most)


def _figures(rounds: Rounds) -> Iterator[Sequence[str]]:
    for name, concurrency in sorted(rounds.loads, key=lambda load: (list(TITLES).index(load[0]), load[1])):
        yield (
            TITLES[name],
            str(concurrency),
            f"{rounds.median(name, concurrency, _rate):,.0f}",
            _time(rounds.median(name, concurrency, lambda load: load.p50)),
            _time(rounds.median(name, concurrency, _p99)),
            _time(rounds.median(name, concurrency, _cpu)),
        )


def _rate(load: Load) -> float:
    return load.rate


def _cpu(load: Load) -> float:
    return load.cpu_per_request


def _p99(load: Load) -> float:
    return load.p99


def _ratio(value: float) -> str:
    return f"{value:.2f}"


def _time(seconds: float) -> str:
    if seconds < 1e-3:
        return f"{seconds * 1e6:.0f} µs"
    return f"{seconds * 1e3:.1f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _megabytes(count: float) -> str:
    return f"{count / 1e6:.0f} MB"
