"""Encoded listings: the two sides of the split as matrices, with what made them."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from housing_assets.features.encoder import ListingEncoder
from housing_assets.features.split import HELD_OUT, amounts, group_keys, label_rows, log_prices
from housing_assets.inference.encoder import FittedEncoder
from housing_assets.inference.labels import LabelScheme
from housing_assets.inference.market import Market

if TYPE_CHECKING:
    import pandas as pd
    from scipy.sparse import csr_matrix

ENCODER, MARKET = "encoder.json", "market.json"


@dataclass(frozen=True)
class EncodedListings:
    """What training and evaluation read.

    Attributes
    ----------
    X_train, X_holdout : csr_matrix of shape (n_rows, n_columns), float32
    y_train, y_holdout : ndarray of shape (n_rows,), int8
        Index of each row's category.
    groups_train : ndarray of shape (n_train,), uint64
        Copies of one home share a group.
    encoder : FittedEncoder
        Fitted on the training rows.
    labels : LabelScheme
    known_log_prices_train, known_log_prices_holdout : ndarray of shape (n_rows,), float64, or None
        ``EncodedListing.log_price`` of each row: of a training row learned without it and its copies. None where it is
        None.
    """

    X_train: "csr_matrix"
    y_train: np.ndarray
    groups_train: np.ndarray
    X_holdout: "csr_matrix"
    y_holdout: np.ndarray
    encoder: FittedEncoder
    labels: LabelScheme
    known_log_prices_train: np.ndarray | None = None
    known_log_prices_holdout: np.ndarray | None = None

    @classmethod
    def encode(cls, crossed: "pd.DataFrame", labels: LabelScheme, encoder: ListingEncoder) -> Self:
        """Fit the encoder on the training side of crossed listings and encode both.

        Parameters
        ----------
        crossed : DataFrame of shape (n_rows, n_values)
            With ``held_out``.
        labels : LabelScheme
        encoder : ListingEncoder

        Raises
        ------
        ValueError
            If the listings were read by another declaration, or a category has too few training rows for the encoder's
            folds, or none that is held out.
        """
        market = encoder.market
        _require_declared(market, crossed)
        holdout = crossed[HELD_OUT].to_numpy()
        train = ~holdout
        indices = label_rows(market, labels, crossed)
        clipped, logs = log_prices(market, labels, crossed), amounts(market, crossed)
        groups = group_keys(market, crossed)[train]
        of_category = (groups[indices[train] == index] for index in range(len(labels.categories)))
        counts = np.array([len(np.unique(homes)) for homes in of_category])
        if counts.min() < encoder.n_folds:  # a fold that held all of a category would leave none to learn from
            fewest = labels.categories[int(counts.argmin())]
            raise ValueError(
                f"{fewest!r} has {counts.min()} homes among the training listings: at least {encoder.n_folds} are "
                "needed for the folds"
            )
        judged = np.bincount(indices[holdout], minlength=len(labels.categories))
        if not judged.all():
            raise ValueError(
                f"{labels.categories[int(judged.argmin())]!r} has no held-out listings to judge a forest by: bring more"
            )
        X_train = encoder.fit_transform(
            crossed[train],
            indices[train],
            None if clipped is None else clipped[train],
            groups,
            None if logs is None else logs[train],
        )
        X_holdout, known_holdout = encoder.transform_with_prices(crossed[holdout])
        return cls(
            X_train=X_train,
            y_train=indices[train],
            groups_train=groups,
            X_holdout=X_holdout,
            y_holdout=indices[holdout],
            encoder=encoder.fitted_,
            labels=labels,
            known_log_prices_train=encoder.log_prices_left_out_,
            known_log_prices_holdout=known_holdout,
        )

    def columns_fingerprint(self) -> str:
        """Return a SHA-256 of the encoded columns: their names and order."""
        return hashlib.sha256("\n".join(self.encoder.column_names).encode()).hexdigest()

    def save(self, folder: Path) -> None:
        """Write the matrices, ``market.json``, ``encoder.json`` and ``labels.json`` to a folder."""
        from scipy.sparse import save_npz

        save_npz(folder / "train.npz", self.X_train, compressed=False)
        save_npz(folder / "holdout.npz", self.X_holdout, compressed=False)
        np.savez(
            folder / "rows.npz",
            train=self.y_train,
            holdout=self.y_holdout,
            groups=self.groups_train,
            known_train=_or_empty(self.known_log_prices_train),
            known_holdout=_or_empty(self.known_log_prices_holdout),
        )
        (folder / MARKET).write_text(self.encoder.market.to_json(), encoding="utf-8")
        (folder / ENCODER).write_text(self.encoder.to_json(), encoding="utf-8")
        self.labels.save(folder)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what ``save`` wrote."""
        from scipy.sparse import load_npz

        market = Market.from_json((folder / MARKET).read_text(encoding="utf-8"))
        with np.load(folder / "rows.npz", allow_pickle=False) as rows:
            return cls(
                X_train=load_npz(folder / "train.npz"),
                y_train=rows["train"],
                groups_train=rows["groups"],
                X_holdout=load_npz(folder / "holdout.npz"),
                y_holdout=rows["holdout"],
                encoder=FittedEncoder.from_json((folder / ENCODER).read_text(encoding="utf-8"), market),
                labels=LabelScheme.load(folder),
                known_log_prices_train=_or_none(rows["known_train"]),
                known_log_prices_holdout=_or_none(rows["known_holdout"]),
            )


def _or_empty(prices: np.ndarray | None) -> np.ndarray:
    return np.zeros(0) if prices is None else prices


def _or_none(prices: np.ndarray) -> np.ndarray | None:
    return prices if len(prices) else None


def _require_declared(market: Market, crossed: "pd.DataFrame") -> None:
    needed = [*(name for name, _, _ in market.encoded_numbers), *market.encoded_texts, *market.identity]
    absent = [name for name in needed if name not in crossed]
    if absent:
        raise ValueError(
            f"the listings have no {', '.join(absent)}, which {market.name} declares: they were read by a former "
            "declaration; materialize raw_listings and all below it"
        )
