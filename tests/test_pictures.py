"""The pictures that the documentation shows are there, and small enough for every clone."""

import re
from pathlib import Path

from demo.pictures import MOST_BYTES

ROOT = Path(__file__).parents[1]


def test_every_picture_is_there_is_small_and_is_shown() -> None:
    shown = {
        (page.parent / path).resolve()
        for page in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md"))
        for path in re.findall(r"!\[[^\]]+\]\(([^)]+)\)", page.read_text(encoding="utf-8"))
    }
    assert shown == set((ROOT / "docs" / "pictures").glob("*.png"))
    assert all(path.stat().st_size <= MOST_BYTES for path in shown)
