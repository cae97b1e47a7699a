"""The generator of SYNTHETIC ads for the market ``istanbul``: nothing in them is a real ad.

Only this public face of the package is re-exported; ``housing sample`` writes a file of ads.
"""

from housing_assets.markets.istanbul_sample.ads import synthetic_listings
from housing_assets.markets.istanbul_sample.sample import SAMPLE
from housing_assets.markets.istanbul_sample.shift import Shift

__all__ = ["SAMPLE", "Shift", "synthetic_listings"]
