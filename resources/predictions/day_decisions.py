"""What was decided on each day of production: whether its rows may be learned from and judge, or are held.

A decision is added and never changed: who took it, when and why can be read back. The newest of a day is in force.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from sqlalchemy import Connection

PLATFORM = "the platform"
"""Who decides where no person does."""


class State(StrEnum):
    """What a day is after a decision."""

    CLEAN = "clean"
    HELD = "held"
    RELEASED = "released"


@dataclass(frozen=True)
class DayDecision:
    """A decision on a day.

    Attributes
    ----------
    day : date
        UTC.
    state : State
    reason : str
        In a sentence.
    by : str
        A person's name, or ``PLATFORM``.
    at : datetime
    causes : tuple of str
        Keys of what is wrong with the day; of a released one, of what was found not to matter.
    """

    day: date
    state: State
    reason: str
    by: str
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    causes: tuple[str, ...] = ()


class Days:
    """The days of production, as decided.

    Parameters
    ----------
    decisions : iterable of DayDecision
        Oldest first.
    """

    def __init__(self, decisions: Iterable[DayDecision] = ()) -> None:
        self.decisions = tuple(decisions)

    @cached_property
    def newest(self) -> Mapping[date, DayDecision]:
        """The decision in force for each day."""
        return {one.day: one for one in self.decisions}

    @cached_property
    def held(self) -> Mapping[date, DayDecision]:
        """The days that are held."""
        return {day: one for day, one in self.newest.items() if one.state is State.HELD}

    @cached_property
    def released_causes(self) -> Mapping[str, DayDecision]:
        """What a person last released a day of."""
        last = {cause: one for one in self.decisions if one.state is not State.CLEAN for cause in one.causes}
        return {cause: one for cause, one in last.items() if one.state is State.RELEASED and one.by != PLATFORM}

    def may_judge(self, frame: "pd.DataFrame") -> "np.ndarray":
        """Return which labelled predictions neither were asked for nor reported on a day that is held: a mask."""
        import pandas as pd

        held = [pd.Timestamp(day) for day in self.held]
        return ~(_day_of(frame["predicted_at"]).isin(held) | _day_of(frame["received_at"]).isin(held)).to_numpy()

    def may_teach(self, frame: "pd.DataFrame") -> "np.ndarray":
        """Return which of them, besides, a judgement of their day has seen, or a person has released: a mask."""
        import numpy as np
        import pandas as pd

        asked, days = frame["predicted_at"], _day_of(frame["predicted_at"])
        seen = np.zeros(len(frame), dtype=bool)
        for day, one in self.newest.items():
            if one.state is not State.HELD:
                of_day = (days == pd.Timestamp(day)).to_numpy()
                seen |= of_day if one.state is State.RELEASED else of_day & (asked < one.at).to_numpy()
        return seen & self.may_judge(frame)


def read_days(connection: "Connection") -> Days:
    """Read all decisions."""
    from sqlalchemy import select

    from resources.predictions.tables import DAY_DECISIONS

    columns = DAY_DECISIONS.c
    rows = connection.execute(select(DAY_DECISIONS).order_by(columns.decided_at, columns.day)).mappings()
    return Days(
        DayDecision(
            date.fromisoformat(row["day"]),
            State(row["state"]),
            row["reason"],
            row["decided_by"],
            row["decided_at"],
            tuple(json.loads(row["causes"])),
        )
        for row in rows
    )


def write_decision(connection: "Connection", decision: DayDecision) -> None:
    """Add a decision."""
    from sqlalchemy import insert

    from resources.predictions.tables import DAY_DECISIONS

    connection.execute(
        insert(DAY_DECISIONS).values(
            day=decision.day.isoformat(),
            decided_at=decision.at,
            state=decision.state.value,
            reason=decision.reason,
            decided_by=decision.by,
            causes=json.dumps(decision.causes),
        )
    )


def write_ranges(days: Iterable[date]) -> str:
    """Return days as text, those in a row as a range.

    Examples
    --------
    >>> write_ranges([date(2026, 3, 2), date(2026, 3, 1), date(2026, 3, 9)])
    '2026-03-01/2026-03-02 2026-03-09'
    """
    ranges: list[list[date]] = []
    for day in sorted(set(days)):
        if ranges and day - ranges[-1][-1] == timedelta(days=1):
            ranges[-1] = [ranges[-1][0], day]
        else:
            ranges.append([day])
    return " ".join("/".join(each.isoformat() for each in one) for one in ranges)


def read_ranges(text: str) -> set[date]:
    """Read back what ``write_ranges`` returned."""
    found: set[date] = set()
    for part in text.split():
        first, *rest = map(date.fromisoformat, part.split("/"))
        last = rest[0] if rest else first
        found |= {first + timedelta(days=number) for number in range((last - first).days + 1)}
    return found


def _day_of(moments: "pd.Series") -> "pd.Series":
    return moments.dt.tz_localize(None).dt.floor("D")
