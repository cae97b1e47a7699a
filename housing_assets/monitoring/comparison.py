"""The columns of a drift report that are shown cell by cell: the worst ones."""

from collections.abc import Iterable

from housing_assets.listings.columns import personal_names
from housing_assets.monitoring.cells import Cells, common_counts, commonest_cells, decile_cells
from housing_assets.monitoring.drift import DriftReport
from housing_assets.monitoring.profile import Profile

N_WORST = 4
"""Columns that are shown: what one looks at before going to the rows themselves."""


def worst_columns(report: DriftReport) -> list[str]:
    """Return the names of the worst columns, worst first, without those whose values can lead to a person."""
    shown = {one.column for one in report.findings if one.statistic == "psi"} - set(personal_names())
    judged = [one for one in report.findings if one.column in shown and one.alert is not None]
    judged.sort(key=lambda one: -one.effect / (one.alert or 1.0))
    urgent = [name for name in report.offending_columns if any(one.column == name for one in judged)]
    return list(dict.fromkeys([*urgent, *(one.column for one in judged)]))[:N_WORST]


def compared_cells(columns: Iterable[str], reference: Profile, window: Profile) -> dict[str, Cells]:
    """Return the cells of columns in both profiles."""
    return {name: _cells(name, reference, window) for name in columns}


def _cells(name: str, reference: Profile, window: Profile) -> Cells:
    if name in reference.numbers:
        return decile_cells(reference.numbers[name], window.numbers[name])
    of_reference, of_window = reference.texts[name], window.texts[name]
    return commonest_cells(common_counts(of_reference, of_window), of_reference.missing, of_window.missing)
