"""Random numbers for the stages that make ads: each draw has a name, and with it a random stream of its own."""

import zlib
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

_DILIGENCE = 0.6  # how often an advertiser who fills in one rare field fills in the next


class Streams(NamedTuple):
    """Independent random numbers by name, one a row, so that no stage shifts the draws of another."""

    rows: int
    seed: int

    def uniform(self, name: str) -> np.ndarray:
        """Draw from 0 to 1."""
        return self._generator(name).random(self.rows)

    def normal(self, name: str) -> np.ndarray:
        """Draw from the standard normal distribution."""
        return self._generator(name).standard_normal(self.rows)

    def pick(self, name: str, weights: ArrayLike, group: ArrayLike = 0) -> np.ndarray:
        """Draw one option by its weight; weights of shape (groups, options) differ by the row's group."""
        picked, draws = np.zeros(self.rows, dtype=np.int64), self.uniform(name)
        groups = np.broadcast_to(group, self.rows)
        for number, bounds in enumerate(np.cumsum(np.atleast_2d(weights), axis=1, dtype=float)):
            members = groups == number
            picked[members] = np.searchsorted(bounds / bounds[-1], draws[members], side="right")
        return picked

    def empty(self, name: str, share: float) -> np.ndarray:
        """Tell where a field stays empty; an ad that fills in one rare field mostly fills in the others."""
        alone = self.uniform(f"alone {name}") > _DILIGENCE
        return np.where(alone, self.uniform(f"empty {name}"), self.uniform("diligence")) < share

    def repeat(self, name: str, share: float) -> np.ndarray:
        """Give each row its source: itself, or for a share of the rows another, as often the one above as any."""
        rows, repeats = np.arange(self.rows), self.uniform(name) < share
        repeats[:1] = False
        originals = np.flatnonzero(~repeats)
        above = np.maximum.accumulate(np.where(repeats, 0, rows))
        anywhere = originals[(self.uniform(f"source of {name}") * len(originals)).astype(np.int64)]
        return np.where(repeats, np.where(self.uniform(f"near {name}") < 0.5, above, anywhere), rows)

    def _generator(self, name: str) -> np.random.Generator:
        return np.random.default_rng([self.seed, zlib.crc32(name.encode())])
