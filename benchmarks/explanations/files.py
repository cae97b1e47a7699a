"""Names of the files that both sides read and write."""

GROWN = "grown.joblib"
"""scikit-learn's forest."""

ROWS, COLUMNS = "rows.npy", "columns.npy"
"""Held-out listings on the offered columns, dense; and which encoded columns these are."""

OURS, PEER, PATH = "ours.npy", "peer.npy", "path.npy"
"""Contributions: float64 of shape (n_rows, n_offered, n_classes)."""
