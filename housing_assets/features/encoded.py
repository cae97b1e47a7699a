"""Encoded listings: the two sides of the split as matrices, with the encoder and the bands that made them."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from housing_assets.features.bands import PriceBands, group_keys
from housing_assets.features.encoder import ListingEncoder
from housing_assets.listings.columns import TARGET, values

if TYPE_CHECKING:
    import pandas as pd
    from scipy.sparse import csr_matrix


@dataclass(frozen=True)
class EncodedListings:
    """What training and evaluation read.

    Attributes
    ----------
    X_train, X_holdout : csr_matrix of shape (n_rows, n_columns), float32
    y_train, y_holdout : ndarray of shape (n_rows,), int8
        Index into ``CATEGORIES``.
    groups_train : ndarray of shape (n_train,), uint64
        Copies of one ad share a group.
    encoder : ListingEncoder
        Fitted on the training rows.
    bands : PriceBands
    listings_digest : str
        Of the listings that were encoded; see ``digest_listings``.
    """

    X_train: "csr_matrix"
    y_train: np.ndarray
    groups_train: np.ndarray
    X_holdout: "csr_matrix"
    y_holdout: np.ndarray
    encoder: ListingEncoder
    bands: PriceBands
    listings_digest: str

    @classmethod
    def encode(cls, crossed: "pd.DataFrame", bands: PriceBands, encoder: ListingEncoder) -> Self:
        """Split crossed listings, fit the encoder on the training side and encode both.

        Raises
        ------
        ValueError
            If a band has too few training rows for the encoder's folds.
        """
        held_out = bands.held_out(crossed)
        prices = crossed[TARGET].to_numpy()
        labels, log_prices = bands.labels(prices), bands.log_prices(prices)
        groups = group_keys(crossed)
        fewest = np.bincount(labels[~held_out], minlength=len(bands.edges) + 1).min()
        if fewest < encoder.n_folds:
            raise ValueError(f"a price band has {fewest} training listings: at least {encoder.n_folds} are needed")
        return cls(
            X_train=encoder.fit_transform(
                crossed[~held_out], labels[~held_out], log_prices[~held_out], groups[~held_out]
            ),
            y_train=labels[~held_out],
            groups_train=groups[~held_out],
            X_holdout=encoder.transform(crossed[held_out]),
            y_holdout=labels[held_out],
            encoder=encoder,
            bands=bands,
            listings_digest=digest_listings(crossed),
        )

    def require_listings(self, listings: "pd.DataFrame") -> None:
        """Refuse listings, crossed or not, that are not those that were encoded, in their order.

        A run that is broken off, or of some assets only, leaves newer listings than the features are made of.

        Raises
        ------
        ValueError
            That names what to materialize.
        """
        if digest_listings(listings) != self.listings_digest:
            raise ValueError(
                "hashed_features were made of other listings than are stored now: "
                "materialize crossed_features and all below it"
            )

    def columns_fingerprint(self) -> str:
        """Return a SHA-256 of the encoded columns: their names and order."""
        return hashlib.sha256("\n".join(self.encoder.column_names).encode()).hexdigest()

    def fit_digest(self) -> str:
        """Return a SHA-256 of the fitted encoder, the bands and the listings: two fits of one declaration differ."""
        fit = f"{self.encoder.to_json()}{self.bands}{self.listings_digest}"
        return hashlib.sha256(fit.encode("utf-8", "surrogatepass")).hexdigest()

    def save(self, folder: Path) -> None:
        """Write the matrices, ``encoder.json`` and ``bands.json`` to a folder."""
        from scipy.sparse import save_npz

        save_npz(folder / "train.npz", self.X_train, compressed=False)
        save_npz(folder / "holdout.npz", self.X_holdout, compressed=False)
        np.savez(
            folder / "labels.npz",
            train=self.y_train,
            holdout=self.y_holdout,
            groups=self.groups_train,
            listings_digest=self.listings_digest,
        )
        (folder / "encoder.json").write_text(self.encoder.to_json(), encoding="utf-8")
        self.bands.save(folder)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what ``save`` wrote."""
        from scipy.sparse import load_npz

        with np.load(folder / "labels.npz", allow_pickle=False) as labels:
            return cls(
                X_train=load_npz(folder / "train.npz"),
                y_train=labels["train"],
                groups_train=labels["groups"],
                X_holdout=load_npz(folder / "holdout.npz"),
                y_holdout=labels["holdout"],
                encoder=ListingEncoder.from_json((folder / "encoder.json").read_text(encoding="utf-8")),
                bands=PriceBands.load(folder),
                listings_digest=str(labels["listings_digest"]),
            )


def digest_listings(listings: "pd.DataFrame") -> str:
    """Return a SHA-256 of the declared values of listings, in their order; bins and crosses follow from them."""
    import pandas as pd

    rows = pd.util.hash_pandas_object(listings[[value.name for value in values()]], index=False)
    return hashlib.sha256(rows.to_numpy().tobytes()).hexdigest()
