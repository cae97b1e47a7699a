"""What a monitoring check says of one window: the one thing that goes from checks to sensors.

It is stored as the metadata of the check's evaluation. The lineage page plots that metadata and evaluations outlive
releases, so a key keeps its name and its type for ever, and a new key needs a default.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

_SEPARATOR = ", "


@dataclass(frozen=True)
class Verdict:
    """The outcome of one check on one window.

    Attributes
    ----------
    partition : str
        The last day of the window, as ISO 8601.
    report_id : str
        Of the report that the check read.
    model_version : int
        Registered version that was judged; 0 if none was.
    in_production : bool
        Whether it still was in production: what is found of a version that was replaced calls for nothing.
    insufficient : bool
        Whether the window had too few rows to be judged.
    counts_toward_retraining : bool
        Whether it found what retraining can mend.
    severe : bool
        Whether one such window is enough for a system that has had no other.
    summary : str
        The outcome in a sentence, for people.
    columns : tuple of str
        Those that are beyond their limits, worst first.
    value, threshold : float
        The worst effect, and the limit that it is held against.
    p, q : float
        Of the worst effect: the probability under no change, and the same adjusted for all that was tested.
    replaced_version : int
        The version that the judged one replaced; 0 if there is none, or if the check does not compare with it.
    worse_than_replaced : bool
        Whether the judged version does significantly worse than that one on the same rows.
    broken : bool
        Whether the window's day is held because its input is broken, or looks so: nothing found in it counts.
    cause : str
        Why, in a sentence.
    first_day : str
        The first day of the window, as ISO 8601; empty where that is its only one, or an earlier release judged it.
    """

    partition: str
    report_id: str
    model_version: int
    in_production: bool
    insufficient: bool
    summary: str
    counts_toward_retraining: bool = False
    severe: bool = False
    columns: tuple[str, ...] = ()
    value: float = 0.0
    threshold: float = 0.0
    p: float = 1.0
    q: float = 1.0
    replaced_version: int = 0
    worse_than_replaced: bool = False
    broken: bool = False
    cause: str = ""
    first_day: str = ""

    def to_metadata(self) -> dict[str, Any]:
        """Return the verdict as metadata of an ``AssetCheckResult``; numbers of numpy's become Python's own."""
        return {
            "partition": self.partition,
            "report_id": self.report_id,
            "model_version": _version_text(self.model_version),
            "in_production": bool(self.in_production),
            "verdict": self.summary,
            "counts_toward_retraining": bool(self.counts_toward_retraining),
            "severe": bool(self.severe),
            "insufficient": bool(self.insufficient),
            "offending_columns": _SEPARATOR.join(self.columns),
            "value": float(self.value),
            "threshold": float(self.threshold),
            "p": float(self.p),
            "q": float(self.q),
            "worse_than_replaced": bool(self.worse_than_replaced),
            "replaced_version": _version_text(self.replaced_version),
            "broken": bool(self.broken),
            "cause": self.cause,
            "first_day": self.first_day,
        }

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, Any]) -> Self | None:
        """Read back what ``to_metadata`` wrote, or what an earlier release did.

        Parameters
        ----------
        metadata : mapping
            Plain values, or Dagster's metadata values.

        Returns
        -------
        Verdict or None
            None if it lacks what a decision rests on: the partition, or one of the flags ``insufficient``,
            ``counts_toward_retraining`` and ``severe``.
        """
        stored = {key: getattr(entry, "value", entry) for key, entry in metadata.items()}
        partition = _text(stored, "partition")
        flags = [stored.get(key) for key in ("insufficient", "counts_toward_retraining", "severe")]
        if not partition or not all(isinstance(flag, bool) for flag in flags):
            return None
        insufficient, counts, severe = map(bool, flags)
        return cls(
            partition=partition,
            report_id=_text(stored, "report_id"),
            model_version=_version(stored, "model_version"),
            in_production=_flag(stored, "in_production", True),
            insufficient=insufficient,
            counts_toward_retraining=counts,
            severe=severe,
            summary=_text(stored, "verdict"),
            columns=tuple(filter(None, _text(stored, "offending_columns").split(_SEPARATOR))),
            value=_number(stored, "value", 0.0),
            threshold=_number(stored, "threshold", 0.0),
            p=_number(stored, "p", 1.0),
            q=_number(stored, "q", 1.0),
            replaced_version=_version(stored, "replaced_version"),
            worse_than_replaced=_flag(stored, "worse_than_replaced", False),
            broken=_flag(stored, "broken", False),
            cause=_text(stored, "cause"),
            first_day=_text(stored, "first_day"),
        )


def _version_text(version: int) -> str:
    """Return a version as text, which the lineage page does not plot as a quantity."""
    return str(version) if version else ""


def _version(stored: Mapping[str, Any], key: str) -> int:
    text = str(stored.get(key, ""))
    return int(text) if text.isascii() and text.isdecimal() else 0


def _text(stored: Mapping[str, Any], key: str) -> str:
    value = stored.get(key)
    return value if isinstance(value, str) else ""


def _flag(stored: Mapping[str, Any], key: str, default: bool) -> bool:
    value = stored.get(key)
    return value if isinstance(value, bool) else default


def _number(stored: Mapping[str, Any], key: str, default: float) -> float:
    value = stored.get(key)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else default
