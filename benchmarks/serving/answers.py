"""Requires that what is compared for its speed gives the same answers."""

from collections.abc import Sequence
from pathlib import Path

import grpc
import httpx
import numpy as np

from benchmarks.serving.files import ARTIFACT, read_requests
from benchmarks.serving.grpc_load import METHOD, serialize
from benchmarks.serving.load import LoadFailed
from benchmarks.serving.servers import KEY, Server
from bento_service.protocols.proto.housing.v1.price_classifier_pb2 import Answer
from housing_assets.inference.artifact import PROBABILITY_TOLERANCE, ModelArtifact
from housing_assets.packaging.batch import probability_names

N_COMPARED = 200
AUTHORIZED = {"authorization": f"Bearer {KEY}"}


def require_same_answers(folder: Path, ours: Server, mlflow: Server) -> int:
    """Ask our service, over HTTP and gRPC, and MLflow about the same ads; return how many ours has answered.

    Raises
    ------
    LoadFailed
        If a probability differs from the one that the model gives in this process.
    """
    ads = read_requests(folder)[:N_COMPARED]
    model = ModelArtifact.load(folder / ARTIFACT)
    expected = np.array([model.predict_one(cells).probabilities for cells in ads])
    with httpx.Client(headers=AUTHORIZED, timeout=30) as http, grpc.insecure_channel(ours.second_address) as channel:
        predict: grpc.UnaryUnaryMultiCallable[bytes, Answer] = channel.unary_unary(
            METHOD, response_deserializer=Answer.FromString
        )
        metadata = tuple(AUTHORIZED.items())
        by_http = [http.post(ours.prediction_url, json=cells).raise_for_status().json() for cells in ads]
        by_grpc = [predict(serialize(cells), metadata=metadata, timeout=10) for cells in ads]
        by_mlflow = http.post(mlflow.prediction_url, json={"dataframe_records": ads}).raise_for_status().json()
    categories = model.labels.categories
    _require_equal("HTTP", [[answer["probabilities"][name] for name in categories] for answer in by_http], expected)
    _require_equal("gRPC", [[answer.probabilities[name] for name in categories] for answer in by_grpc], expected)
    names = probability_names(categories)
    _require_equal("MLflow", [[row[name] for name in names] for row in by_mlflow["predictions"]], expected)
    return len(by_http) + len(by_grpc)


def _require_equal(name: str, found: Sequence[Sequence[float]], expected: np.ndarray) -> None:
    difference = float(np.abs(np.array(found) - expected).max())
    if difference > PROBABILITY_TOLERANCE:
        raise LoadFailed(f"answers by {name} differ from the model's by up to {difference:g}")
