"""Champion and challenger: which of the two answers a request."""

from dataclasses import dataclass

import mmh3

_SHARES = 2**32


@dataclass(frozen=True)
class TrafficSplit:
    """How traffic is split.

    Parameters
    ----------
    challenger_share : float
        Share of the request keys, 0 to 1, that the challenger answers: the same keys every time, in every process.
    shadow : bool
        Whether the challenger also predicts what the champion answers, without its prediction being returned.
    """

    challenger_share: float = 0.0
    shadow: bool = False

    @property
    def needs_challenger(self) -> bool:
        """Whether a challenger must be loaded."""
        return self.shadow or self.challenger_share > 0

    def goes_to_challenger(self, key: str) -> bool:
        """Return whether the challenger answers the requests of a key."""
        hashed = mmh3.hash(key.encode("utf-8", "surrogatepass"), signed=False)
        return hashed < self.challenger_share * _SHARES
