"""Makes what every server is given, once: the model, as an artifact and registered, the usual model, and the requests.

``python -m benchmarks.serving.inputs FOLDER ROWS [MODEL SOURCE]`` trains on synthetic ads, or takes a model artifact
and the ads to ask it about, and prints facts about them as JSON.
"""

import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from benchmarks.inputs import MIN_ROWS
from benchmarks.serving import usual
from benchmarks.serving.files import ARTIFACT, INVOCATIONS, REGISTRY, REQUESTS
from benchmarks.usual import SEED

if TYPE_CHECKING:
    import pandas as pd

    from housing_assets.packaging.artifact import ModelArtifact

N_REQUESTS = 10_000
"""Distinct synthetic ads to ask about: with each of them new, nothing is remembered of the whole of it."""


def write_inputs(folder: Path, rows: int, model: str | None, source: str | None) -> dict[str, int]:
    """Write the inputs of all servers; return the number of training ads, of trees and of requests."""
    from housing_assets.listings.cleaning import clean
    from housing_assets.listings.sample import synthetic_listings
    from housing_assets.listings.source import read_listings
    from housing_assets.packaging.artifact import ModelArtifact

    if source is None:
        ads, asked = synthetic_listings(rows, seed=SEED), synthetic_listings(N_REQUESTS, seed=SEED + 1)
    else:
        ads = asked = read_listings(source).frame
    listings = clean(ads).listings
    if model is None:
        (folder / ARTIFACT).mkdir()
        train(listings).save(folder / ARTIFACT)
    else:
        shutil.copytree(model, folder / ARTIFACT)
    artifact = ModelArtifact.load(folder / ARTIFACT)
    n_trees = len(artifact.forest.roots)
    usual.train(listings, artifact.bands, n_trees, folder)
    _register(artifact, folder)
    return {"listings": len(listings), "trees": n_trees, "requests": _write_requests(asked, folder)}


def train(listings: "pd.DataFrame") -> "ModelArtifact":
    """Train as the assets do."""
    from housing_assets.features.bands import PriceBands
    from housing_assets.features.crossing import cross_frame
    from housing_assets.features.encoded import EncodedListings
    from housing_assets.features.encoder import ListingEncoder
    from housing_assets.packaging.assembly import assemble
    from housing_assets.training.evaluation import evaluate
    from housing_assets.training.flat_forest import FlatForest
    from housing_assets.training.forest import new_forest, splittable
    from housing_assets.training.parameters import ForestParameters
    from housing_assets.training.strategies import balance

    crossed = cross_frame(listings)
    encoded = EncodedListings.encode(crossed, PriceBands.learn(listings), ListingEncoder())
    training = balance(
        encoded.X_train, encoded.y_train, crossed, encoded.encoder, strategy="smote", min_rows=MIN_ROWS, seed=SEED
    )
    grown = new_forest(ForestParameters()).fit(splittable(training.X), training.y)
    forest = FlatForest.from_sklearn(grown, training.columns, training.n_columns)
    metrics = evaluate(encoded.y_holdout, forest.predict_proba(encoded.X_holdout))
    return assemble(encoded.encoder, forest, encoded.bands, metrics, {"forest_digest": forest.digest()}, listings)


def _register(artifact: "ModelArtifact", folder: Path) -> None:
    """Register the artifact as the asset ``registered_model`` does."""
    from housing_assets.packaging.assembly import example_listings
    from housing_assets.packaging.registration import ANSWER, LOADER_MODULE, requirements
    from resources.model_registry import ModelRegistry

    registry = ModelRegistry(tracking_uri=f"sqlite:///{folder / REGISTRY}")
    client = registry.client()
    experiment = client.create_experiment("serving", artifact_location=(folder / "mlartifacts").as_uri())
    registry.register(
        folder / ARTIFACT,
        client.create_run(experiment).info.run_id,
        {},
        artifact.bands.to_dict(),
        loader_module=LOADER_MODULE,
        requirements=requirements(),
        example=example_listings(2),
        answer=ANSWER,
    )


def _write_requests(ads: "pd.DataFrame", folder: Path) -> int:
    """Write each usable ad once, without its price, as a request; return how many there are."""
    from housing_assets.listings.columns import COLUMNS, Role, parse_listing

    read = [column.raw for column in COLUMNS if column.values[0].role is not Role.TARGET]
    texts = ads[read].astype(object)
    texts = texts.where(texts.notna(), None)
    asked = [
        {str(name): cell for name, cell in cells.items() if cell not in (None, "")}
        for cells in texts.to_dict("records")
    ]
    bodies = dict.fromkeys(orjson.dumps(cells) for cells in asked if not parse_listing(cells, with_target=False)[1])
    (folder / REQUESTS).write_bytes(b"".join(b"%b\n" % body for body in bodies))
    (folder / INVOCATIONS).write_bytes(b"".join(b'{"dataframe_records": [%b]}\n' % body for body in bodies))
    return len(bodies)


if __name__ == "__main__":
    target, n_rows, *given = sys.argv[1:]
    print(json.dumps(write_inputs(Path(target), int(n_rows), *(given or (None, None)))))
