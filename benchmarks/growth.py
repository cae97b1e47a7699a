"""How time and memory grow with the number of listings, from the raw frame to the encoded matrices.

``python -m benchmarks.growth ROWS`` measures one size in this process and prints its steps as JSON.
"""

import json
import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TypeVar

from benchmarks.measure import peak_bytes, reset_peak, run_module

SIZES = (20_000, 200_000, 2_000_000)
MAX_SECONDS = 120
MAX_BYTES = 6 * 10**9
MAX_SLOPE = 1.0
"""Of log time over log rows: 1 is linear."""

T = TypeVar("T")


@dataclass(frozen=True)
class Step:
    """One step at one size; ``peak_bytes`` is the whole process, its inputs among it."""

    name: str
    seconds: float
    peak_bytes: int


@dataclass(frozen=True)
class Size:
    """All steps at one size."""

    rows: int
    steps: tuple[Step, ...]

    @property
    def seconds(self) -> float:
        """Seconds of all steps."""
        return sum(step.seconds for step in self.steps)

    @property
    def peak_bytes(self) -> int:
        """The most memory that the process held in any step."""
        return max(step.peak_bytes for step in self.steps)


def measure_growth(environment: Mapping[str, str], sizes: Sequence[int] = SIZES) -> list[Size]:
    """Measure each size in a fresh process."""
    measured = []
    for rows in sizes:
        steps = run_module("benchmarks.growth", rows, environment=environment)
        measured.append(Size(rows, tuple(Step(**step) for step in steps)))
    return measured


def slope(sizes: Sequence[Size], step: str | None = None) -> float:
    """Return by which power of the rows the time grows, from smallest to largest; of one step, or of all."""
    first, last = (
        sum(each.seconds for each in size.steps if step in (None, each.name)) for size in (sizes[0], sizes[-1])
    )
    return math.log(last / first) / math.log(sizes[-1].rows / sizes[0].rows)


def measure_size(rows: int) -> list[Step]:
    """Draw synthetic ads, which is not measured, and take them through every step."""
    import sklearn.linear_model
    import sklearn.model_selection  # noqa: F401

    from housing_assets.features.crossing import cross_frame
    from housing_assets.features.encoded import EncodedListings
    from housing_assets.features.encoder import ListingEncoder
    from housing_assets.features.split import HELD_OUT, held_out, learn_labels
    from housing_assets.listings.cleaning import clean
    from housing_assets.listings.source import RawListings
    from housing_assets.markets.istanbul import MARKET
    from housing_assets.markets.istanbul_sample import synthetic_listings

    steps: list[Step] = []

    def measured(name: str, work: Callable[[], T]) -> T:
        reset_peak()
        started = time.perf_counter()
        result = work()
        steps.append(Step(name, time.perf_counter() - started, peak_bytes()))
        return result

    ads = RawListings.of_sample(MARKET, synthetic_listings(rows)).frame
    listings = measured("clean", lambda: clean(MARKET, ads).listings)
    labels = measured("learn bands", lambda: learn_labels(MARKET, listings))
    crossed = measured(
        "cross",
        lambda: cross_frame(MARKET, listings).assign(**{HELD_OUT: held_out(MARKET, labels, listings)}),
    )
    measured("encode", lambda: EncodedListings.encode(crossed, labels, ListingEncoder(MARKET)))
    return steps


if __name__ == "__main__":
    print(json.dumps([asdict(step) for step in measure_size(int(sys.argv[1]))]))
