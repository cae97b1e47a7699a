"""What the audit says of a report: what it found, and what it did not look at."""

from pathlib import Path
from typing import Any

import pytest

from deploy.audit.__main__ import LOCKS, Findings, read_report

ROOT = Path(__file__).parents[1]
FOUND = {"id": "PYSEC-2026-1", "fix_versions": ["2.0", "2.1"], "aliases": ["CVE-2026-1"], "description": ""}
CLEAN = {"name": "httpx", "version": "0.28.1", "vulns": []}
UNKNOWN = {"name": "ours", "skip_reason": "Dependency not found on PyPI and could not be audited: ours (1.0)"}
VULNERABLE = {"name": "old", "version": "1.0", "vulns": [FOUND, FOUND | {"id": "PYSEC-2026-2", "fix_versions": []}]}
LINES = ["old 1.0: PYSEC-2026-1, mended in 2.0, 2.1", "old 1.0: PYSEC-2026-2, mended in none"]


@pytest.mark.parametrize(
    ("packages", "expected"),
    [
        ([CLEAN], Findings(1, 0, [])),
        ([CLEAN, UNKNOWN, VULNERABLE], Findings(2, 1, LINES)),
        ([UNKNOWN], Findings(0, 1, [])),  # nothing was searched: this is no clean report
    ],
)
def test_what_was_not_searched_is_not_called_clean(packages: list[dict[str, Any]], expected: Findings) -> None:
    assert read_report({"dependencies": packages, "fixes": []}) == expected


def test_every_lock_file_is_audited() -> None:
    kept = {path.relative_to(ROOT) for path in ROOT.glob("deploy/*/requirements.lock")} | {Path("requirements.lock")}
    assert set(LOCKS.values()) == kept
