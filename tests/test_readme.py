"""What the README prints for clients of the service works as printed, but for the ports."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from google.protobuf import json_format

from bento_service.protocols.proto.housing.v1.price_classifier_pb2 import PredictRequest
from bento_service.protocols.proto.housing.v1.price_classifier_pb2_grpc import PriceClassifierStub
from housing_assets.markets.istanbul import MARKET
from tests.bento_service.serving import PROJECT, Service, serving

pytestmark = pytest.mark.acceptance

README = (PROJECT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(bash|python)\n(.*?)```", README, re.DOTALL)


def block(language: str, mark: str) -> str:
    found = [text for kind, text in BLOCKS if kind == language and mark in text]
    assert len(found) == 1, f"README has {len(found)} {language} blocks with {mark}"
    return found[0]


@pytest.fixture(scope="module")
def service(saved: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(tmp_path_factory.mktemp("readme"), {"HOUSING_MODEL_FOLDER": str(saved)}) as running:
        yield running


def run(command: list[str], text: str, service: Service) -> str:
    text = text.replace("localhost:3100", f"127.0.0.1:{service.port}")
    text = text.replace("localhost:3101", f"127.0.0.1:{service.grpc_port}")
    ended = subprocess.run([*command, text], cwd=PROJECT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_the_curl_line_is_answered(service: Service) -> None:
    answer = json.loads(run(["bash", "-c"], block("bash", "curl -s localhost:3100/predict"), service))
    assert answer["price_category"] in MARKET.categories


def test_the_python_client_is_answered(service: Service) -> None:
    assert "'price_category'" in run([sys.executable, "-c"], block("python", "HousingClient"), service)


def test_the_python_client_of_grpc_is_answered(service: Service) -> None:
    assert "price_category:" in run([sys.executable, "-c"], block("python", "PriceClassifierStub"), service)


def test_the_message_of_the_grpcurl_line_is_answered(service: Service) -> None:
    message = re.search(r"grpcurl -plaintext -d '(.*?)'", README, re.DOTALL)
    assert message is not None
    request = json_format.Parse(message.group(1), PredictRequest())
    with grpc.insecure_channel(f"127.0.0.1:{service.grpc_port}") as channel:
        assert PriceClassifierStub(channel).Predict(request, timeout=10).price_category in MARKET.categories
