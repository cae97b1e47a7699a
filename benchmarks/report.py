"""Writes results as Markdown, between markers, so that the text around them stays."""

import os
import platform
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median

from benchmarks.comparisons import Result
from benchmarks.growth import MAX_BYTES, MAX_SECONDS, MAX_SLOPE, Size, slope

LIBRARIES = ("numpy", "scipy", "pandas", "scikit-learn", "imbalanced-learn", "numba", "dagster")


def comparison_section(title: str, results: Sequence[Result], numba_seconds: float) -> str:
    """Return the table of comparisons under a heading."""
    rows = [
        (
            result.comparison.title,
            *map(seconds_text, result.seconds()),
            "{:.2f} ({:.2f} to {:.2f})".format(*result.speedups()),
            *(_memory(result) if result.comparison.measures_memory else ("", "", "")),
            str(len(result.ours)),
            result.comparison.target,
            verdict(result.is_met()),
        )
        for result in results
    ]
    header = (
        "",
        "usual way",
        "ours",
        "usual ÷ ours (least to most)",
        "memory, usual",
        "memory, ours",
        "usual ÷ ours",
        "runs",
        "aim",
        "reached",
    )
    notes = [machine()]
    for result in results:
        f1 = result.macro_f1()
        if f1:
            notes.append(f"Macro-F1 on the same held-out listings: usual way {f1[0]:.4f}, ours {f1[1]:.4f}.")
    notes.append(f"numba compiled once, before everything that is measured, in {numba_seconds:.1f} s.")
    return "\n\n".join([f"### {title}", table(header, rows), *notes])


def growth_section(sizes: Sequence[Size]) -> str:
    """Return the table of steps by size under a heading."""
    names = [step.name for step in sizes[0].steps]
    rows = [
        (
            f"{size.rows:,}",
            *(_step(step.seconds, step.peak_bytes) for step in size.steps),
            _step(size.seconds, size.peak_bytes),
        )
        for size in sizes
    ]
    rows.append(("power of the rows", *(f"{slope(sizes, name):.2f}" for name in names), f"{slope(sizes):.2f}"))
    largest = sizes[-1]
    aims = (
        f"Aims: no worse than linear (power {MAX_SLOPE:g}): {verdict(slope(sizes) <= MAX_SLOPE)}. "
        f"{largest.rows:,} rows in {MAX_SECONDS} s: {verdict(largest.seconds <= MAX_SECONDS)}; "
        f"in {MAX_BYTES / 1e9:g} GB: {verdict(largest.peak_bytes <= MAX_BYTES)}."
    )
    return "\n\n".join(["### Growth", table(("listings", *names, "all"), rows), machine(), aims])


def machine() -> str:
    """Return what the measurements depend on: processor, memory and versions; nothing that names the machine."""
    gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    libraries = ", ".join(f"{library} {version(library)}" for library in LIBRARIES)
    hardware = f"{_processor()}, {os.cpu_count()} cores, {gigabytes:.0f} GiB RAM"
    return f"{hardware}; Python {platform.python_version()}, {libraries}."


def write_section(path: Path, key: str, section: str) -> None:
    """Put a section between its markers in a file; at the end of the file where it has none yet."""
    begin, end = f"<!-- begin {key} -->", f"<!-- end {key} -->"
    text = path.read_text() if path.exists() else ""
    before, found, rest = text.partition(begin)
    after = rest.partition(end)[2] if found else ""
    kept = before if found else f"{before.rstrip()}\n\n".lstrip()
    path.write_text(f"{kept}{begin}\n{section}\n{end}{after or chr(10)}")


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def spread(found: Sequence[float], show: Callable[[float], str]) -> str:
    """Return the median and, of more than one, the least and the greatest."""
    shown = show(median(found))
    return shown if len(found) == 1 else f"{shown} ({show(min(found))} to {show(max(found))})"


def seconds_text(seconds: float) -> str:
    """Return seconds, in milliseconds below one."""
    return f"{seconds * 1e3:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def bytes_text(count: float) -> str:
    """Return bytes in megabytes, from 1,000 of them on in gigabytes."""
    return f"{count / 1e6:.0f} MB" if count < 1e9 else f"{count / 1e9:.1f} GB"


def verdict(is_met: bool) -> str:
    """Return whether an aim is reached, in a word."""
    return "yes" if is_met else "no"


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _memory(result: Result) -> tuple[str, str, str]:
    usual, ours = result.peaks()
    return bytes_text(usual), bytes_text(ours), f"{result.saving():.1f}"


def _step(seconds: float, peak: int) -> str:
    return f"{seconds_text(seconds)}, {bytes_text(peak)}"
