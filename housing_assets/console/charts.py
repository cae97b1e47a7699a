"""Charts over days as SVG that the server draws: what a template needs to write them, with their scales worked out."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from math import ceil, log10
from typing import NamedTuple

WIDTH, HEIGHT = 720, 240
LEFT, RIGHT, TOP, BOTTOM = 48, 12, 12, 28

MOST_MARKS = 100
"""Days up to which every value has a mark; of more, only those that failed have one."""


class Point(NamedTuple):
    """A value of a day."""

    day: date
    value: float
    failed: bool = False


@dataclass(frozen=True)
class Series:
    """Values of one kind.

    Attributes
    ----------
    name : str
    look : str
        Class of its line: ``main``, ``second`` or ``third``.
    points : tuple of Point
        Oldest first.
    """

    name: str
    look: str
    points: tuple[Point, ...]


class Mark(NamedTuple):
    """A value as it is drawn."""

    x: float
    y: float
    failed: bool
    text: str


class Line(NamedTuple):
    """A series as it is drawn."""

    name: str
    look: str
    path: str
    marks: tuple[Mark, ...]


class Tick(NamedTuple):
    """A number or day beside an axis."""

    at: float
    text: str


@dataclass(frozen=True)
class Chart:
    """What a template draws.

    Attributes
    ----------
    name : str
        Unique in its page.
    title, description : str
        For those who read it, and those who cannot see it.
    lines : tuple of Line
    limit : Tick or None
        A limit that the values are held against.
    days, values : tuple of Tick
    """

    name: str
    title: str
    description: str
    lines: tuple[Line, ...]
    limit: Tick | None
    days: tuple[Tick, ...]
    values: tuple[Tick, ...]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    bottom: int = HEIGHT - BOTTOM


def draw(
    name: str,
    title: str,
    description: str,
    series: Sequence[Series],
    *,
    lowest: float = 0.0,
    limit: tuple[float, str] | None = None,
    as_percent: bool = False,
) -> Chart | None:
    """Return a chart, None where there is nothing to draw.

    Parameters
    ----------
    name, title, description : str
    series : sequence of Series
    lowest : float
        Where the axis begins, unless a value lies below it.
    limit : tuple of (float, str), optional
        A value with its name.
    as_percent : bool
        How values are written.
    """
    points = [point for one in series for point in one.points]
    if not points:
        return None
    first, last = min(point.day for point in points), max(point.day for point in points)
    values = [*(point.value for point in points), *([limit[0]] if limit else [])]
    low = min(lowest, *values)
    step = _step(max(values) - low)
    low = step * (low // step)
    high = max(low + step * ceil((max(values) - low) / step - 1e-9), low + step)
    span = max((last - first).days, 1)

    def x(day: date) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * (day - first).days / span, 1)

    def y(value: float) -> float:
        return round(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value - low) / (high - low), 1)

    def told(value: float) -> str:
        return f"{value:.0%}" if as_percent else f"{value:,.6g}"

    every = len(points) <= MOST_MARKS
    lines = tuple(
        Line(
            one.name,
            one.look,
            _path((x(point.day), y(point.value), point.day) for point in one.points),
            tuple(
                Mark(
                    x(p.day),
                    y(p.value),
                    p.failed,
                    f"{p.day}: {p.value:.1%}" if as_percent else f"{p.day}: {_number(p.value)}",
                )
                for p in one.points
                if every or p.failed
            ),
        )
        for one in series
        if one.points
    )
    count = round((high - low) / step)
    return Chart(
        name=name,
        title=title,
        description=description,
        lines=lines,
        limit=Tick(y(limit[0]), limit[1]) if limit else None,
        days=tuple(Tick(x(day), f"{day:%-d %b}") for day in _days(first, last)),
        values=tuple(Tick(y(low + step * number), told(low + step * number)) for number in range(count + 1)),
    )


def sparkline(points: Sequence[Point], first: date, last: date, *, width: int = 160, height: int = 28) -> str:
    """Return the path of a small line between two days: up to 1.5 times the limit, which is at two thirds."""
    span = max((last - first).days, 1)
    return _path(
        (
            round(width * (point.day - first).days / span, 1),
            round(height - 2 - (height - 4) * min(max(point.value, 0.0), 1.5) / 1.5, 1),
            point.day,
        )
        for point in points
    )


def _path(points: Iterable[tuple[float, float, date]]) -> str:
    """Return a line through points, with a gap where a day is missing; a point alone is a dot."""
    parts: list[str] = []
    before: date | None = None
    for x, y, day in points:
        joined = before is not None and day - before <= timedelta(days=1)
        parts.append(f"L{x:g} {y:g}" if joined else f"M{x:g} {y:g}h0")
        before = day
    return "".join(parts)


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.3g}"


def _step(span: float) -> float:
    """Return the distance of about four ticks: 1, 2 or 5 times a power of ten."""
    rough = max(span, 1e-6) / 4
    power = 10.0 ** (ceil(log10(rough)) - 1)
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))


def _days(first: date, last: date) -> list[date]:
    """Return up to six days to be written below a chart, the first and the last among them."""
    span = (last - first).days
    count = min(5, span) or 1
    return sorted({first + timedelta(days=round(span * number / count)) for number in range(count + 1)})
