"""What a report is about: the window, the version that was judged, and the id that the report is known by."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ReportContext:
    """What a report is about.

    Attributes
    ----------
    partition : str
        The last day of its window.
    days : tuple of str
        All days of the window.
    report_id : str
    version : int
        That was judged; 0 if none was.
    in_production : bool
        Whether it still is: what was found of a version that was replaced is history, and calls for nothing.
    held : str
        Why the day is held, empty where it is not: what was found in it calls for no retraining.
    """

    partition: str
    days: tuple[str, ...]
    report_id: str
    version: int
    in_production: bool
    held: str = ""
