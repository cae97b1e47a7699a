"""The usual way: the same work as an idiomatic pandas and scikit-learn pipeline of three scripts.

``python -m benchmarks.usual clean SOURCE FOLDER``, then ``features FOLDER``, then ``train FOLDER``. Rules for single
cells, price bands, the split and the declared columns are the platform's, so that the results can be compared; how
they are applied is not: cell by cell, token lists row by row, a dense matrix for SMOTE, the whole forest in every
checkpoint.
"""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from housing_assets.features.split import held_out, label_rows, learn_labels
from housing_assets.inference.cells import Unusable
from housing_assets.inference.declaration import FEATURE_NUMBERS, Column, Role, Value
from housing_assets.inference.market import SEPARATOR
from housing_assets.markets.istanbul import MARKET

N_BUCKETS = 2**14
N_TREES = 200
CHECKPOINT_EVERY = 20
SMOTE_NEIGHBOURS = 5
SEED = 0


def read_ads(path: Path) -> pd.DataFrame:
    """Read raw ads as texts."""
    return pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig", encoding_errors="backslashreplace")


def clean_ads(ads: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return typed listings, and the rows that cannot be used with the first reason; copies are left out."""
    kept = ads.drop_duplicates([column.raw for column in MARKET.columns])
    listings = pd.DataFrame({"row": kept.index})
    reasons = pd.DataFrame(index=kept.index)
    for column in MARKET.columns:
        cells = kept[column.raw].apply(_read_cell, column=column)
        unusable = cells.apply(isinstance, args=(Unusable,))
        if unusable.any():
            reasons[column.raw] = cells[unusable].astype(str)
            nothing = (None,) * len(column.values)
            cells = cells.apply(lambda cell, nothing=nothing: nothing if isinstance(cell, Unusable) else cell)
        for value, typed in zip(column.values, zip(*cells, strict=True), strict=True):
            listings[value.name] = _typed(typed, value)
    faulty = reasons.notna().any(axis="columns").to_numpy()
    found: pd.DataFrame = reasons.loc[faulty]
    first = found.bfill(axis="columns").iloc[:, 0] if len(found.columns) else pd.Series(dtype=object)
    names = found.apply(lambda row: row.first_valid_index(), axis="columns") if len(found) else first
    quarantined = kept[faulty].assign(row=found.index, column=names, reason=first)
    return listings[~faulty].reset_index(drop=True), quarantined.reset_index(drop=True)


def _read_cell(cell: str, column: Column) -> Any:
    try:
        return column.parse(cell)
    except Unusable as fault:
        return fault


def _typed(found: Sequence[Any], value: Value) -> pd.Series:
    if value.is_number:
        return pd.Series(found, dtype=np.float64)
    if value.is_text:
        return pd.Series(found, dtype=object).astype("category")
    return pd.to_datetime(pd.Series(found)).astype("datetime64[s]")


def cross_listings(listings: pd.DataFrame) -> pd.DataFrame:
    """Add bins, crosses and quotients."""
    crossed = listings.copy()
    for bin_ in MARKET.bins:
        crossed[bin_.name] = listings[bin_.of].astype(object).where(listings[bin_.of].notna(), None).apply(bin_.text)
    for names in MARKET.crosses:
        joined = crossed[names[0]].astype(object)
        for name in names[1:]:
            joined = joined + SEPARATOR + crossed[name].astype(object)
        crossed[SEPARATOR.join(names)] = joined
    for quotient in MARKET.quotients:
        crossed[quotient.name] = listings[quotient.dividend] / listings[quotient.divisor].where(
            listings[quotient.divisor] != 0
        )
    return crossed


def hash_tokens(crossed: pd.DataFrame, n_buckets: int = N_BUCKETS) -> Any:
    """Return the signed counts of ``column=value`` tokens: csr_matrix of shape (n_rows, n_buckets)."""
    from sklearn.feature_extraction import FeatureHasher

    names = list(MARKET.encoded_texts)
    texts = crossed[names].astype(object)
    texts = texts.where(texts.notna(), None)
    rows = [
        [f"{name}={text}" for name, text in zip(names, row, strict=True) if text is not None]
        for row in texts.itertuples(index=False, name=None)
    ]
    return FeatureHasher(n_buckets, input_type="string").transform(rows)


def encode(crossed: pd.DataFrame, is_training: np.ndarray) -> Any:
    """Return one-hot categories, scaled numbers and hashed tokens of all rows, learned from the training rows."""
    from scipy.sparse import csr_matrix, hstack
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    categories = [value.name for value in MARKET.values(Role.CATEGORY)]
    one_hot = OneHotEncoder(handle_unknown="ignore").fit(crossed.loc[is_training, categories])
    numbers = [value.name for value in MARKET.values(*FEATURE_NUMBERS)]
    numbers += [quotient.name for quotient in MARKET.quotients]
    scaled = make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler())
    scaled.fit(crossed.loc[is_training, numbers])
    blocks = [one_hot.transform(crossed[categories]), csr_matrix(scaled.transform(crossed[numbers]))]
    return hstack([*blocks, hash_tokens(crossed)], format="csr")


def balance(X: Any, y: np.ndarray, targets: dict[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return training rows balanced by SMOTE on the dense matrix."""
    from imblearn.over_sampling import SMOTE

    smote = SMOTE(sampling_strategy=targets, k_neighbors=SMOTE_NEIGHBOURS, random_state=SEED)
    return smote.fit_resample(X.toarray(), y)


def grow_forest(X: Any, y: np.ndarray, folder: Path, n_trees: int = N_TREES) -> Any:
    """Return a random forest; the whole of it is written every few trees."""
    import joblib
    from sklearn.ensemble import RandomForestClassifier

    forest = RandomForestClassifier(n_estimators=0, warm_start=True, random_state=SEED, n_jobs=-1)
    while forest.n_estimators < n_trees:
        forest.n_estimators = min(n_trees, forest.n_estimators + CHECKPOINT_EVERY)
        forest.fit(X, y)
        joblib.dump(forest, folder / "forest.joblib")
    return forest


def clean_script(source: Path, folder: Path) -> None:
    """Read and clean a file of ads."""
    listings, quarantined = clean_ads(read_ads(source))
    listings.to_parquet(folder / "listings.parquet")
    quarantined.to_parquet(folder / "quarantined.parquet")


def features_script(folder: Path) -> None:
    """Cross, split and encode listings."""
    from scipy.sparse import save_npz

    listings = pd.read_parquet(folder / "listings.parquet")
    labels = learn_labels(MARKET, listings)
    kept_out = held_out(MARKET, labels, listings)
    X = encode(cross_listings(listings), ~kept_out)
    save_npz(folder / "features.npz", X, compressed=False)
    np.savez(folder / "labels.npz", y=label_rows(MARKET, labels, listings), held_out=kept_out)


def train_script(folder: Path) -> None:
    """Balance, grow a forest and judge it on the holdout."""
    from scipy.sparse import csr_matrix, load_npz
    from sklearn.metrics import classification_report, f1_score

    from housing_assets.training.balancing import target_counts

    X = load_npz(folder / "features.npz")
    with np.load(folder / "labels.npz") as labels:
        y, kept_out = labels["y"], labels["held_out"]
    targets = target_counts(y[~kept_out], len(MARKET.categories))
    rows, row_labels = balance(X[~kept_out], y[~kept_out], targets)
    forest = grow_forest(csr_matrix(rows), row_labels, folder)
    predicted = forest.predict(X[kept_out])
    print(classification_report(y[kept_out], predicted))
    metrics = {"macro_f1": float(f1_score(y[kept_out], predicted, average="macro"))}
    (folder / "metrics.json").write_text(json.dumps(metrics))


if __name__ == "__main__":
    scripts: dict[str, Callable[..., None]] = {
        "clean": clean_script,
        "features": features_script,
        "train": train_script,
    }
    scripts[sys.argv[1]](*map(Path, sys.argv[2:]))
