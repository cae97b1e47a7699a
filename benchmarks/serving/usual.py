"""The usual way to serve: FastAPI, a one-row frame, FeatureHasher, a joblib forest on every core, a log file.

``uvicorn benchmarks.serving.usual:app``, with the folder of the trained model in ``USUAL_FOLDER``. Cells are read by
the platform's rules, and nothing is slow on purpose: it hashes fewer tokens than the platform does, without crosses,
and answers one request after the other, for forests that predict on every core at once hinder each other.
"""

import logging
import os
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import joblib
import numpy as np
import pandas as pd
from fastapi import FastAPI, HTTPException
from scipy.sparse import csr_matrix, hstack
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction import FeatureHasher

from benchmarks.serving.files import USUAL_FOLDER, USUAL_LOG, USUAL_MODEL
from benchmarks.serving.listing import Listing
from benchmarks.usual import N_BUCKETS, SEED
from housing_assets.features.split import label_rows
from housing_assets.inference.declaration import FEATURE_NUMBERS
from housing_assets.markets.istanbul import MARKET

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from housing_assets.inference.labels import LabelScheme

TEXTS = list(MARKET.declared_texts)
AMOUNTS = [value.name for value in MARKET.values(*FEATURE_NUMBERS)]

logger = logging.getLogger("usual")


def encode(frame: pd.DataFrame, hasher: FeatureHasher) -> csr_matrix:
    """Return hashed texts beside numbers, which are -1 where there is none."""
    tokens = [
        [f"{name}={text}" for name, text in row.items() if text is not None]
        for row in frame[TEXTS].astype(object).where(frame[TEXTS].notna(), None).to_dict("records")
    ]
    numbers = frame[AMOUNTS].astype(np.float64).fillna(-1).to_numpy()
    return hstack([hasher.transform(tokens), csr_matrix(numbers)], format="csr")


def train(listings: pd.DataFrame, labels: "LabelScheme", n_trees: int, folder: Path) -> None:
    """Fit on typed listings and write the model to a folder."""
    hasher = FeatureHasher(N_BUCKETS, input_type="string")
    forest = RandomForestClassifier(n_estimators=n_trees, n_jobs=-1, random_state=SEED)
    forest.fit(encode(listings, hasher), label_rows(MARKET, labels, listings))
    joblib.dump({"hasher": hasher, "forest": forest}, folder / USUAL_MODEL)


@asynccontextmanager
async def load(app: FastAPI) -> "AsyncIterator[None]":
    """Load the model, and open the log."""
    folder = Path(os.environ[USUAL_FOLDER])
    app.state.model = joblib.load(folder / USUAL_MODEL)
    handler = logging.FileHandler(folder / USUAL_LOG, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield


app = FastAPI(lifespan=load)


@app.get("/health")
def health() -> dict[str, str]:
    """Say that the model is loaded."""
    return {"status": "ok"}


@app.post("/predict")
async def predict(listing: Listing) -> dict[str, Any]:  # type: ignore[valid-type]
    """Classify one listing."""
    cells = listing.model_dump(by_alias=True)  # type: ignore[attr-defined]
    typed, reasons = MARKET.parse_listing(cells, with_target=False)
    if reasons:
        raise HTTPException(422, reasons)
    model = app.state.model
    row = encode(pd.DataFrame([typed]), model["hasher"])
    probabilities = model["forest"].predict_proba(row)[0]
    answer = {
        "price_category": MARKET.categories[int(probabilities.argmax())],
        "probabilities": dict(zip(MARKET.categories, probabilities.tolist(), strict=True)),
    }
    logger.info("listing=%s answer=%s", typed, answer)
    return answer
