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

from benchmarks.serving import usual
from benchmarks.serving.files import ARTIFACT, INVOCATIONS, REGISTRY, REQUESTS
from benchmarks.usual import SEED

if TYPE_CHECKING:
    import pandas as pd

    from housing_assets.inference.artifact import ModelArtifact

N_REQUESTS = 10_000
"""Distinct synthetic ads to ask about: with each of them new, nothing is remembered of the whole of it."""


def write_inputs(folder: Path, rows: int, model: str | None, source: str | None) -> dict[str, int]:
    """Write the inputs of all servers; return the number of training ads, of trees and of requests."""
    from benchmarks.model import train
    from housing_assets.inference.artifact import ModelArtifact
    from housing_assets.listings.cleaning import clean
    from housing_assets.listings.source import read_listings
    from housing_assets.markets.istanbul import MARKET
    from housing_assets.markets.istanbul_sample import synthetic_listings

    if source is None:
        ads, asked = synthetic_listings(rows, seed=SEED), synthetic_listings(N_REQUESTS, seed=SEED + 1)
    else:
        ads = asked = read_listings(MARKET, source).frame
    listings = clean(MARKET, ads).listings
    if model is None:
        (folder / ARTIFACT).mkdir()
        train(listings, ads).save(folder / ARTIFACT)
    else:
        shutil.copytree(model, folder / ARTIFACT)
    artifact = ModelArtifact.load(folder / ARTIFACT)
    n_trees = len(artifact.forest.roots)
    usual.train(listings, artifact.labels, n_trees, folder)
    _register(artifact, folder)
    return {"listings": len(listings), "trees": n_trees, "requests": _write_requests(asked, folder)}


def _register(artifact: "ModelArtifact", folder: Path) -> None:
    """Register the artifact as the asset ``registered_model`` does."""
    from housing_assets.packaging.registration import register_artifact
    from resources.mlflow.registry import ModelRegistry

    registry = ModelRegistry(tracking_uri=f"sqlite:///{folder / REGISTRY}")
    client = registry.client()
    experiment = client.create_experiment("serving", artifact_location=(folder / "mlartifacts").as_uri())
    run_id = client.create_run(experiment).info.run_id
    register_artifact(registry, artifact.market, folder / ARTIFACT, run_id, {})


def _write_requests(ads: "pd.DataFrame", folder: Path) -> int:
    """Write each usable ad once, without its price, as a request; return how many there are."""
    from housing_assets.markets.istanbul import MARKET

    texts = ads[[column.raw for column in MARKET.inputs]].astype(object)
    texts = texts.where(texts.notna(), None)
    asked = [
        {str(name): cell for name, cell in cells.items() if cell not in (None, "")}
        for cells in texts.to_dict("records")
    ]
    usable = (cells for cells in asked if not MARKET.parse_listing(cells, with_target=False)[1])
    bodies = dict.fromkeys(orjson.dumps(cells) for cells in usable)
    (folder / REQUESTS).write_bytes(b"".join(b"%b\n" % body for body in bodies))
    (folder / INVOCATIONS).write_bytes(b"".join(b'{"dataframe_records": [%b]}\n' % body for body in bodies))
    return len(bodies)


if __name__ == "__main__":
    target, n_rows, *given = sys.argv[1:]
    print(json.dumps(write_inputs(Path(target), int(n_rows), *(given or (None, None)))))
