"""Judges what was measured against the aims, and lays it out as Markdown."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from statistics import mean, median
from typing import Any

from benchmarks.drift.files import N_COLUMNS
from benchmarks.drift.growth import Size, slope
from benchmarks.drift.peer_environment import EVIDENTLY
from benchmarks.drift.rates import Judged
from benchmarks.drift.scenarios import SHIFT_ROWS, Scenario
from benchmarks.drift.speed import CATEGORIES, OBJECTS, OURS, PAGED, PROFILED, WHOLE, Rounds
from benchmarks.measure import Measurement
from benchmarks.report import bytes_text, machine, seconds_text, spread, table, verdict

LEAST_SPEEDUP = 10
LEAST_SAVING = 4
MOST_MERGING_SECONDS = 1.0
MOST_BYTES = 10**9
MOST_SLOPE = 1.05
"""Of log time over log rows: 1 is linear, the rest is what runs differ by."""

SIDES = {
    PAGED: "ours, stored reference, window in pages",
    WHOLE: "ours, stored reference, window whole",
    PROFILED: "ours, reference profiled anew",
    OBJECTS: "Evidently, texts as objects",
    CATEGORIES: "Evidently, texts as categories",
}

IN_MEMORY, FROM_DISK = "merging", "reading_and_merging"
MERGED = {IN_MEMORY: "merge and judge", FROM_DISK: "read from disk, merge and judge"}


def speed_section(measured: Sequence[Rounds]) -> str:
    """Return the tables of time and memory."""
    figures = [
        (
            f"{rounds.rows:,}",
            title,
            spread([run.seconds for run in rounds.runs[side]], _fine_seconds),
            spread([run.peak_bytes for run in rounds.runs[side]], bytes_text),
            f"{median(run.outcome['page_bytes'] for run in rounds.runs[side]) / 1e6:.2f} MB",
        )
        for rounds in measured
        for side, title in SIDES.items()
    ]
    n_rounds = len(measured[0].runs[PAGED])
    return "\n\n".join(
        [
            f"### Time and memory of a report on {N_COLUMNS} columns",
            table(("rows of reference and of window", "report", "time", "memory above the frames", "page"), figures),
            table(("", "aim", "seen (least to most)", "reached"), _judged_speed(measured)),
            f"Medians of {n_rounds} rounds (least to most). Evidently {EVIDENTLY}.",
            machine(),
        ]
    )


def rates_section(judged: Sequence[Judged]) -> str:
    """Return the table of what was said of undrifted and of shifted windows."""
    header = (
        "windows",
        "rows",
        "how many",
        "ours: counts toward retraining",
        "ours: a check fails",
        "ours: the check of labels fails",
        "ours: columns flagged",
        "Evidently: `dataset_drift`",
        "Evidently: a column is flagged",
        "Evidently: columns flagged",
        "the column that is hit",
        "ours flags it",
        "Evidently flags it",
    )
    methods = sorted({method for each in judged for said in each.peer for method in said["methods"]})
    return "\n\n".join(
        [
            f"### False alarms and detection on {N_COLUMNS} columns",
            table(header, [_rates(each) for each in judged]),
            "Counts of windows; `columns flagged` is the mean of a window. Where only prices change, Evidently is "
            f"given them as column number {N_COLUMNS + 1}: without it the preset has nothing to see there.",
            _falsely_flagged(judged),
            f"What Evidently's defaults chose: {', '.join(methods)}.",
        ]
    )


def growth_section(sizes: Sequence[Size], merged: Mapping[str, Sequence[Measurement]]) -> str:
    """Return the tables of profiling by day, and of merging these profiles."""
    rows = [
        (
            f"{size.rows:,}",
            f"{size.days:,}",
            seconds_text(size.seconds),
            f"{size.rows / size.seconds:,.0f}",
            bytes_text(size.peak_bytes),
        )
        for size in sizes
    ]
    largest, power = sizes[-1], slope(sizes)
    peak = max(size.peak_bytes for size in sizes)
    n_days = min(largest.days, 365)
    seconds = {name: [run.seconds for run in runs] for name, runs in merged.items()}
    merging = [
        (
            MERGED[name],
            spread(seconds[name], _fine_seconds),
            spread([run.peak_bytes for run in runs], bytes_text),
        )
        for name, runs in merged.items()
    ]
    aims = [
        ("Power of the rows that time grows by", f"≤ {MOST_SLOPE:g}", f"{power:.2f}", verdict(power <= MOST_SLOPE)),
        ("Memory, the whole process", f"≤ {bytes_text(MOST_BYTES)}", bytes_text(peak), verdict(peak <= MOST_BYTES)),
        *(
            (
                f"{n_days} daily profiles: {MERGED[name]}",
                f"≤ {seconds_text(MOST_MERGING_SECONDS)}",
                spread(seconds[name], _fine_seconds),
                verdict(median(seconds[name]) <= MOST_MERGING_SECONDS),
            )
            for name in merged
        ),
    ]
    n_rows = merged[IN_MEMORY][0].outcome["rows"]
    return "\n\n".join(
        [
            "### Production by day",
            table(("rows", "days", "read and profile", "rows/s", "memory, the whole process"), rows),
            f"{n_days} of these daily profiles, {n_rows:,} rows together, as one window; all values and the "
            "predictions:",
            table(("", "time", "memory above what it is given"), merging),
            table(("", "aim", "seen (least to most)", "reached"), aims),
            f"Merging: medians of {len(merged[IN_MEMORY])} fresh processes (least to most).",
            machine(),
        ]
    )


def _judged_speed(measured: Sequence[Rounds]) -> Iterator[tuple[str, str, str, str]]:
    for rounds in measured:
        for side in OURS:
            what = f"{rounds.rows:,} rows, {SIDES[side]}: Evidently's {{}} ÷ ours"
            speedups, savings = rounds.speedups(side), rounds.savings(side)
            reached = verdict(median(speedups) >= LEAST_SPEEDUP)
            yield what.format("time"), f"≥ {LEAST_SPEEDUP}", spread(speedups, _ratio), reached
            reached = verdict(median(savings) >= LEAST_SAVING)
            yield what.format("memory"), f"≥ {LEAST_SAVING}", spread(savings, _ratio), reached


def _rates(judged: Judged) -> tuple[str, ...]:
    scenario, ours, peer = judged.scenario, judged.ours, judged.peer
    return (
        scenario.title,
        f"{scenario.rows:,}",
        str(len(ours)),
        *(str(sum(said[check] for said in ours)) for check in ("counts", "fails", "labels")),
        _columns(ours),
        str(sum(said["drift"] for said in peer)),
        str(sum(bool(said["columns"]) for said in peer)),
        _columns(peer),
        scenario.struck,
        "the labels' check" if scenario.has_prices else _flagged(scenario, ours),
        _flagged(scenario, peer),
    )


def _flagged(scenario: Scenario, said: Sequence[Mapping[str, Any]]) -> str:
    return str(sum(scenario.struck in each["columns"] for each in said)) if scenario.struck else ""


def _falsely_flagged(judged: Sequence[Judged]) -> str:
    """Return which columns were flagged, and how often, in undrifted windows of as many rows as the shifted ones."""
    (undrifted,) = [each for each in judged if not each.scenario.struck and each.scenario.rows == SHIFT_ROWS]
    counts = Counter(column for said in undrifted.peer for column in said["columns"])
    flagged = ", ".join(f"{column} {count}" for column, count in counts.most_common())
    return (
        f"Of {len(undrifted.peer)} undrifted windows of {SHIFT_ROWS:,} rows, Evidently flagged {flagged or 'none'}: "
        "a shift is noticed by it only where it flags more than that."
    )


def _columns(said: Sequence[Mapping[str, Any]]) -> str:
    return f"{mean(len(each['columns']) for each in said):.2f}"


def _ratio(value: float) -> str:
    return f"{value:.1f}"


def _fine_seconds(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else seconds_text(seconds)
