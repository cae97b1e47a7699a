"""The window that a report judges: whose answers they are, and the reference that they are held against."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from housing_assets.monitoring.production.days import DayProfiles
from housing_assets.monitoring.production.references import References
from housing_assets.monitoring.profiles.profile import Profile
from housing_assets.monitoring.profiles.reference import Reference
from housing_assets.monitoring.profiles.refused import ProfileRefused

Report = TypeVar("Report")


@dataclass(frozen=True)
class Window:
    """Answers of one version.

    Attributes
    ----------
    version : int
        0 if none is in production, and none answered.
    in_production : bool
    reference : Reference or None
    profile : Profile or None
    other_rows : int
        Rows that other versions answered, or none of them.
    reason : str
        Why the window cannot be judged; empty if there are both a reference and a profile.
    days : tuple of str
        That it is made of.
    left_out : mapping of str to str
        Days that are not judged, and why.
    """

    version: int
    in_production: bool
    reference: Reference | None
    profile: Profile | None
    other_rows: int
    reason: str
    days: tuple[str, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)

    def judge(self, judge: Callable[[Profile, Profile], Report], skip: Callable[[str], Report]) -> Report:
        """Return what the window comes to against its reference.

        Parameters
        ----------
        judge : callable
            Takes the profiles of the reference and of the window; may refuse them.
        skip : callable
            Takes the reason why the window cannot be judged.
        """
        if not (self.reference and self.profile):
            return skip(self.reason)
        try:
            return judge(self.reference.profile, self.profile)
        except ProfileRefused as refusal:
            return skip(f"Not judged: {refusal}.")


def open_window(merged: DayProfiles, references: References, min_rows: int) -> Window:
    """Choose what is judged of the answers of some days.

    Parameters
    ----------
    merged : DayProfiles
        Of all the days.
    references : References
    min_rows : int
        That a window must have.
    """
    production = references.production
    version = choose_version(merged.rows, production.number if production else 0, min_rows)
    reference, profile = references.of(version) if version else None, merged.by_version.get(version)
    other_rows = merged.unattributed + sum(merged.rows.values()) - merged.rows.get(version, 0)
    if not version:
        reason = "Not judged: no version is in production."
    elif reference is None:
        reason = f"Not judged: {'; '.join(references.troubles)}."
    else:
        reason = "" if profile else f"Not judged: version {version} answered nothing."
    in_production = production is not None and production.number == version
    return Window(version, in_production, reference, profile, other_rows, reason)


def choose_version(rows: Mapping[int, int], production: int, min_rows: int) -> int:
    """Return the version whose answers are judged.

    That is the one in production, as soon as it has answered enough; a window from before its promotion is that of the
    version which answered most of it. Rows of two versions are never judged together: what the older one stumbled over
    may be what the newer one was trained on.

    Parameters
    ----------
    rows : mapping of int to int
        Answers in the window by version.
    production, min_rows : int
    """
    if rows.get(production, 0) >= min_rows or not rows:
        return production
    return max(rows, key=lambda version: (rows[version], version))
