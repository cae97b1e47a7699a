"""The bundled generator of SYNTHETIC real-estate ads: nothing in them is a real ad.

Only this public face of the package is re-exported; ``python -m housing_assets.listings.sample`` writes a file of ads.
"""

from housing_assets.listings.sample.ads import synthetic_listings
from housing_assets.listings.sample.files import write_listings
from housing_assets.listings.sample.shift import Shift

__all__ = ["Shift", "synthetic_listings", "write_listings"]
