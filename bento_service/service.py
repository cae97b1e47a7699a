"""The HTTP service: a thin adapter from requests to the model artifact."""

import os
from http import HTTPStatus
from pathlib import Path
from typing import Any

import bentoml

from housing_assets.features.bands import CATEGORIES
from housing_assets.packaging.artifact import ModelArtifact, UnusableListing

MODEL_FOLDER = "HOUSING_MODEL_FOLDER"
"""Environment variable: folder of the model artifact that is served."""


class UnprocessableListing(bentoml.exceptions.BentoMLException):
    """A listing that cannot be classified; answered with status 422."""

    error_code = HTTPStatus.UNPROCESSABLE_ENTITY


@bentoml.service(name="housing_price_classifier", traffic={"timeout": 5})
class HousingPriceClassifier:
    """Classifies the price of a real-estate listing as low, medium or high."""

    def __init__(self) -> None:
        folder = os.environ.get(MODEL_FOLDER)
        if not folder:
            raise RuntimeError(f"{MODEL_FOLDER} is not set: it must name the folder of a model artifact")
        self.model = ModelArtifact.load(Path(folder))

    @bentoml.api
    async def predict(self, listing: dict[str, Any]) -> dict[str, Any]:
        """Return the category, the probabilities and the band edges for one listing of raw texts or clean numbers."""
        try:
            probabilities = self.model.predict_one(listing)
        except UnusableListing as fault:
            raise UnprocessableListing(str(fault)) from fault
        return {
            "price_category": CATEGORIES[int(probabilities.argmax())],
            **{f"probability_{name}": float(share) for name, share in zip(CATEGORIES, probabilities, strict=True)},
            "band_edges": self.model.bands.edges,
            "currency": self.model.bands.currency,
        }
