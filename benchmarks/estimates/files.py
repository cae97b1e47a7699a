"""Names of the files that all sides read and write."""

GROWN = "grown.joblib"
"""scikit-learn's forest; ours lies in the same folder."""

OTHER_SEED, REDRAWN, WHOLE = "other_seed", "redrawn", "whole"
"""Folders: a forest of another seed, another draw of the listings in leaves, all listings in them."""

TAUGHT = "taught.npz"
"""Training listings with a price: ``X`` (offered columns, dense) and ``values`` (log price)."""

JUDGED = "judged.npz"
"""Listings that are estimated: ``X``, and the parts ``data``, ``indices``, ``indptr`` of the encoded matrix."""

INTERVALS = "intervals.npz"
"""Uncalibrated and calibrated ends (log), prices (log) and zip codes of the rows that calibrate and that are judged."""

QUANTILES = "quantiles.npz"
"""In each of the folders above: quantiles of log prices, float64 of shape (n_judged, 5)."""

PEER = "peer.npz"
"""The same by quantile-forest: of ``all`` listings of a leaf, and ``capped``."""

CONFORMAL = "conformal.npz"
"""Ends by crepes."""

LEVELS = (0.1, 0.25, 0.5, 0.75, 0.9)
AT_ONCE, ONE_BY_ONE = 1_000, 200
"""Rows of a batch, and rows that are estimated one by one."""
