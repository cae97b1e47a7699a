"""What became of each release on this machine, one line of JSON each."""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from deploy.release.sides import Side

Outcome = Literal["accepted", "refused", "rolled back"]


@dataclass(frozen=True)
class Entry:
    """What became of a release.

    Attributes
    ----------
    release : str
    side : Side
    outcome : str
        ``refused`` before it answered anybody, or ``rolled back`` while it was watched.
    reason : str
        Of a refusal or a rollback.
    goes_back : bool
        Whether the release was started to go back to it.
    at : str
        When, in UTC.
    """

    release: str
    side: Side
    outcome: Outcome
    reason: str = ""
    goes_back: bool = False
    at: str = ""


class History:
    """The file of entries."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def add(self, entry: Entry) -> None:
        """Append an entry, dated now."""
        dated = asdict(entry) | {"at": datetime.now(UTC).isoformat(timespec="seconds")}
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(dated, ensure_ascii=False) + "\n")

    def entries(self) -> list[Entry]:
        """Return all entries, oldest first."""
        if not self._file.exists():
            return []
        lines = self._file.read_text(encoding="utf-8").splitlines()
        return [Entry(**(read | {"side": Side(read["side"])})) for read in map(json.loads, lines)]

    def former_release(self) -> str:
        """Return the release that the one in place has replaced; each step back goes one further.

        Raises
        ------
        LookupError
            If there is none.
        """
        releases: list[str] = []
        for entry in self.entries():
            if entry.outcome != "accepted":
                continue
            if entry.goes_back and entry.release in releases:
                del releases[releases.index(entry.release) + 1 :]
            elif releases[-1:] != [entry.release]:
                releases.append(entry.release)
        if len(releases) < 2:
            raise LookupError("no release was accepted before the one in place: name the one to go back to")
        return releases[-2]
