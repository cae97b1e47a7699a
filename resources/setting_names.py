"""The names of settings: a variable with the prefix that names none is refused, with what was probably meant."""

import re
from collections.abc import Collection, Iterable
from difflib import get_close_matches

PREFIX = "HOUSING_"

READ_ELSEWHERE = frozenset({"HOUSING_REAL_DATA", "HOUSING_KILL_SEED", "HOUSING_FUZZ_EXAMPLES"})
"""Variables with the prefix that the tests read for themselves."""

SLIP = 0.9
"""How similar to another setting, as difflib measures it, one of a market that is not known must be to count as a slip
of the pen: one wrong letter in the shortest names reaches it, the name of another market does not."""


def require_known_names(
    variables: Iterable[str], settings: Collection[str], of_one_market: Collection[str], market: str
) -> None:
    """Refuse variables with the prefix that name no setting.

    Those of a market that is not known here are left to the process that knows it, unless they look like a slip.

    Parameters
    ----------
    variables : iterable of str
        Names of environment variables.
    settings : collection of str
        Names of settings as the code has them: in lower case, without the prefix.
    of_one_market : collection of str
        The settings that one market may have for itself.
    market : str
        The name of this process's market, whose settings are known whatever they look like.

    Raises
    ------
    ValueError
        Naming all that are refused, and the settings that come closest; values are not shown.
    """
    known = {f"{PREFIX}{setting}".upper() for setting in settings} | READ_ELSEWHERE
    of_a_market = re.compile(f"{PREFIX}([A-Z0-9_]+?)_({'|'.join(map(str.upper, of_one_market))})")

    def is_known(name: str) -> bool:
        if name in known:
            return True
        found = of_a_market.fullmatch(name)
        return found is not None and (found[1] == market.upper() or not _is_slip(name, found[1], found[2], known))

    unknown = [name for name in sorted(variables) if name.startswith(PREFIX) and not is_known(name)]
    if unknown:
        meant = {near for name in unknown for near in get_close_matches(name, known, n=1)}
        there = f"did you mean {', '.join(sorted(meant))}" if meant else f"there are {', '.join(sorted(known))}"
        raise ValueError(f"unknown setting {', '.join(unknown)}; {there}")


def _is_slip(name: str, market: str, setting: str, known: Collection[str]) -> bool:
    """Return whether what reads as a setting of a market rather is one of all markets, written wrongly."""
    others = [other for other in known if other != f"{PREFIX}{setting}"]
    goes_on = any(name.startswith(f"{other}_") and len(other) > len(PREFIX + market) for other in others)
    return goes_on or bool(get_close_matches(name, others, n=1, cutoff=SLIP))
