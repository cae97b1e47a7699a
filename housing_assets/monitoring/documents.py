"""Texts that an asset leaves for people and other programs: a report as JSON, and as a page."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pydantic import TypeAdapter


@dataclass(frozen=True)
class Documents:
    """Texts by file name."""

    texts: Mapping[str, str]

    def save(self, folder: Path) -> None:
        """Write a file for each to a folder."""
        for name, text in self.texts.items():
            (folder / name).write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what ``save`` wrote."""
        return cls({path.name: path.read_text(encoding="utf-8") for path in sorted(folder.iterdir())})


def as_json(report: Any) -> str:
    """Return a report, a dataclass of plain types and thresholds, as JSON."""
    return TypeAdapter(type(report)).dump_json(report, indent=1).decode()
