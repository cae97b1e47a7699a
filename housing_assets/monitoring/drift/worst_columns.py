"""The columns of a drift report that are shown cell by cell: the worst ones."""

from collections.abc import Collection

from housing_assets.monitoring.drift.report import DriftReport
from housing_assets.monitoring.profiles.profile import Profile
from housing_assets.monitoring.statistics.cells import Cells, common_counts, commonest_cells, decile_cells

N_WORST = 4
"""Columns that are shown: what one looks at before going to the rows themselves."""


def worst_columns(report: DriftReport, personal: Collection[str] = ()) -> list[str]:
    """Return the names of the worst columns, worst first.

    Parameters
    ----------
    report : DriftReport
    personal : collection of str
        Columns whose values can lead to a person: they are left out.
    """
    shown = {one.column for one in report.findings if one.statistic == "psi"} - set(personal)
    judged = [one for one in report.findings if one.column in shown and one.alert is not None]
    judged.sort(key=lambda one: -one.effect / (one.alert or 1.0))
    urgent = [name for name in report.offending_columns if any(one.column == name for one in judged)]
    return list(dict.fromkeys([*urgent, *(one.column for one in judged)]))[:N_WORST]


def compare_worst_columns(
    report: DriftReport, reference: Profile | None, window: Profile | None, personal: Collection[str] = ()
) -> dict[str, Cells]:
    """Return the cells of the worst columns in the reference and in the window; none of a report without findings."""
    if not report.findings or reference is None or window is None:
        return {}
    return {name: _cells(name, reference, window) for name in worst_columns(report, personal)}


def _cells(name: str, reference: Profile, window: Profile) -> Cells:
    if name in reference.numbers:
        return decile_cells(reference.numbers[name], window.numbers[name])
    of_reference, of_window = reference.texts[name], window.texts[name]
    return commonest_cells(common_counts(of_reference, of_window), of_reference.missing, of_window.missing)
