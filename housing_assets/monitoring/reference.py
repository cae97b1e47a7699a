"""What production is held against: one for each registered version, stored with its model."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

import numpy as np

from housing_assets.features.bands import CATEGORIES, PriceBands
from housing_assets.listings.columns import TARGET, Role, values
from housing_assets.monitoring.performance import Outcomes
from housing_assets.monitoring.prediction_profile import PREDICTED, PROBABILITIES
from housing_assets.monitoring.profile import Profile, ProfileRefused, reference_edges

if TYPE_CHECKING:
    import pandas as pd

FILE = "reference_profile.json"


class Evaluation(Protocol):
    """What is needed of a model's evaluation on the held-out listings."""

    forest_digest: str
    fit_digest: str
    probabilities: np.ndarray


@dataclass(frozen=True, eq=False)
class Reference:
    """A model's listings and how it did on those that it was not trained on.

    Attributes
    ----------
    profile : Profile
        Of all listings, those trained on and those held out, with the predictions for the latter. Its bins are those
        in which the version's production is counted.
    holdout : Outcomes
    forest_digest, fit_digest : str
        Of the forest, and of the encoder and bands, whose predictions these are.
    """

    profile: Profile
    holdout: Outcomes
    forest_digest: str
    fit_digest: str

    @classmethod
    def of(cls, listings: "pd.DataFrame", bands: PriceBands, evaluation: Evaluation) -> Self:
        """Summarize what a model was made from.

        Parameters
        ----------
        listings : DataFrame of shape (n_rows, n_values)
            All typed listings.
        bands : PriceBands
        evaluation : Evaluation
            Of the listings that the bands hold out, in their order.

        Raises
        ------
        ValueError
            If the evaluation is of other listings.
        """
        held_out = bands.held_out(listings)
        if held_out.sum() != len(evaluation.probabilities):
            raise ValueError(
                f"{held_out.sum():,} listings are held out, but {len(evaluation.probabilities):,} were evaluated: "
                "materialize crossed_features and all below it"
            )
        predictions = name_predictions(evaluation.probabilities)
        return cls(
            Profile.of(listings, predictions, reference_edges(listings), as_of=_newest_day(listings)),
            Outcomes.of(bands.labels(listings.loc[held_out, TARGET].to_numpy()), predictions),
            evaluation.forest_digest,
            evaluation.fit_digest,
        )

    def to_json(self) -> str:
        """Return the reference as JSON."""
        stored = {
            "profile": self.profile.to_json(),
            "holdout": self.holdout.to_dict(),
            "forest_digest": self.forest_digest,
            "fit_digest": self.fit_digest,
        }
        return json.dumps(stored, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read back what ``to_json`` returned.

        Raises
        ------
        ProfileRefused
            If it is damaged, or of another schema.
        """
        try:
            stored = json.loads(text)
            return cls(
                Profile.from_json(stored["profile"]),
                Outcomes.from_dict(stored["holdout"]),
                str(stored["forest_digest"]),
                str(stored["fit_digest"]),
            )
        except ProfileRefused:
            raise
        except (ValueError, KeyError, TypeError) as fault:
            raise ProfileRefused(f"no reference, or a damaged one: {fault!r}") from None

    def save(self, folder: Path) -> None:
        """Write ``reference_profile.json`` to a folder."""
        (folder / FILE).write_text(self.to_json(), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what ``save`` wrote."""
        return cls.from_json((folder / FILE).read_text(encoding="utf-8"))


def name_predictions(probabilities: np.ndarray) -> "pd.DataFrame":
    """Return probabilities, of shape (n_rows, n_classes), as the prediction store names them."""
    import pandas as pd

    predicted = np.array(CATEGORIES, dtype=object)[probabilities.argmax(axis=1)]
    return pd.DataFrame({PREDICTED: predicted} | dict(zip(PROBABILITIES, probabilities.T, strict=True)))


def _newest_day(listings: "pd.DataFrame") -> np.ndarray:
    """Return the newest day that the listings name, not a time if none: they were scraped then, or soon after."""
    days = [listings[value.name].to_numpy() for value in values(Role.CLOCK) if value.name in listings]
    return np.fmax.reduce(np.concatenate(days).astype("datetime64[D]"), initial=np.datetime64("NaT", "D"))
