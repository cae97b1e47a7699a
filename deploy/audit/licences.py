"""Licences of what is installed here, as each package tells its own: ``make audit``.

Refused is what binds whoever offers the platform or passes it on: copyleft beyond a library's own files, licences that
restrict use, and a licence that is not told.
"""

import re
import sys
from collections import Counter
from importlib.metadata import PackageMetadata, distributions

REFUSED = re.compile(
    r"AGPL|Affero|SSPL|Server Side Public|Business Source|BUSL|Commons Clause|Elastic|"
    r"(?<!L)GPL(?!.*exception)|(?<!Lesser )General Public",
    re.IGNORECASE,
)
"""The LGPL is taken: its libraries are used as they are."""

CHOICE = re.compile(r"\s+OR\s+")
"""Between licences of which one may be chosen."""

READ_ELSEWHERE = {"huey": "MIT"}
"""Packages that do not tell their licence: what the file LICENSE of theirs is."""


def licence_of(metadata: PackageMetadata) -> str:
    """Return the licence that a package tells, empty if it does not."""
    classifiers: list[str] = metadata.get_all("Classifier") or []
    expressions: list[str] = metadata.get_all("License-Expression") or []
    texts: list[str] = metadata.get_all("License") or []
    classified = [each.rpartition(" :: ")[2] for each in classifiers if each.startswith("License")]
    told = [*expressions, " AND ".join(classified), *(text.strip().partition("\n")[0] for text in texts)]
    return next(filter(None, told), READ_ELSEWHERE.get(metadata["Name"], ""))


def is_refused(licence: str) -> bool:
    """Return whether there is none among the licences that may be chosen that can be taken."""
    return not licence or all(REFUSED.search(choice) for choice in CHOICE.split(licence))


def main() -> int:
    """Print how many packages have which licence, and return 1 if one is refused."""
    found = {str(each.metadata["Name"]): licence_of(each.metadata) for each in distributions()}
    print(f"licences of {len(found)} packages: ", end="")
    print(", ".join(f"{count} {licence or 'not told'}" for licence, count in Counter(found.values()).most_common()))
    refused = {name: licence for name, licence in sorted(found.items()) if is_refused(licence)}
    print("".join(f"LICENCE: {name}: {licence or 'not told'}\n" for name, licence in refused.items()), end="")
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
