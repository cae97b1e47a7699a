"""A release goes to the machines of an environment, and to no others; AWS is moto's, over HTTP."""

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest

from deploy.fleet.__main__ import machines, main
from deploy.scan.__main__ import main as scan

pytestmark = pytest.mark.acceptance

IMAGE = f"1.dkr.ecr.eu-central-1.amazonaws.com/housing@sha256:{'a' * 64}"
BUCKET = "releases"


@pytest.fixture
def staging(s3_endpoint: str) -> list[str]:
    """Two machines of the environment, one of another, and one that is stopped."""
    boto3.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    ec2 = boto3.client("ec2")
    started = []
    for environment, n in (("staging", 2), ("production", 1), ("staging", 1)):
        tags = [{"ResourceType": "instance", "Tags": [{"Key": "housing-environment", "Value": environment}]}]
        made = ec2.run_instances(ImageId="ami-12345678", MinCount=n, MaxCount=n, TagSpecifications=tags)
        started.append([one["InstanceId"] for one in made["Instances"]])
    ec2.stop_instances(InstanceIds=started[2])
    return sorted(started[0])


def sent() -> list[dict[str, Any]]:
    return boto3.client("ssm").list_commands()["Commands"]


def deliver(saved: Path, *more: str, environment: str = "staging") -> int:
    return main([*more, "--environment", environment, "--bucket", BUCKET, "--golden", str(saved)])


def test_a_release_is_run_on_the_running_machines_of_its_environment(
    staging: list[str], saved: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert machines("staging") == staging

    assert deliver(saved, "swap", "--image", IMAGE) == 0

    (command,) = sent()
    assert re.findall(r"^(i-\w+): Success", capsys.readouterr().out, re.MULTILINE) == staging
    assert (command["MaxConcurrency"], command["MaxErrors"]) == ("1", "0")
    (text,) = command["Parameters"]["commands"]
    assert f"python3.11 -m deploy.release swap {IMAGE} --golden golden" in text


def test_what_the_machines_fetch_is_a_command_that_runs(staging: list[str], saved: Path, tmp_path: Path) -> None:
    deliver(saved, "rollback")
    (text,) = sent()[0]["Parameters"]["commands"]
    source = next(line for line in text.splitlines() if line.startswith("aws s3 cp")).split()[-2]
    prefix = source.removeprefix(f"s3://{BUCKET}/")
    s3 = boto3.client("s3")
    for held in s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix)["Contents"]:
        file = tmp_path / held["Key"].removeprefix(prefix)
        file.parent.mkdir(parents=True, exist_ok=True)
        s3.download_file(BUCKET, held["Key"], str(file))

    assert subprocess.run(["sh", "-n", "-c", text]).returncode == 0
    command = shlex.split(next(line for line in text.splitlines() if "deploy.release rollback" in line))
    assert command[:4] == ["python3.11", "-m", "deploy.release", "rollback"]
    tried = [sys.executable, "-S", *command[1:3], "--folder", str(tmp_path), *command[3:]]
    ended = subprocess.run(tried, cwd=tmp_path, env={"RELEASE_API_KEY": "key"}, capture_output=True, text=True)
    assert "no release was accepted before the one in place" in ended.stderr
    assert (tmp_path / "golden" / "golden.json").read_bytes() == (saved / "golden.json").read_bytes()


def test_an_environment_without_machines_is_refused(
    staging: list[str], saved: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert deliver(saved, "swap", "--image", IMAGE, environment="elsewhere") == 1
    assert "no machine has the tag housing-environment=elsewhere" in capsys.readouterr().err
    assert sent() == []


@pytest.mark.parametrize("image", ["housing:latest", "before", f"{IMAGE};reboot", IMAGE[:-1]])
def test_an_image_is_named_by_its_digest(saved: Path, image: str) -> None:
    with pytest.raises(SystemExit, match="2"):
        deliver(saved, "swap", "--image", image)


@pytest.mark.parametrize(
    ("severities", "refuse", "expected"),
    [(["LOW"], "HIGH", 0), (["MEDIUM"], "HIGH", 0), (["HIGH", "LOW"], "HIGH", 1), (["HIGH"], "CRITICAL", 0)],
)
def test_an_image_with_severe_vulnerabilities_is_refused(
    s3_endpoint: str, severities: list[str], refuse: str, expected: int, capsys: pytest.CaptureFixture[str]
) -> None:
    digest = pushed()
    findings(s3_endpoint, severities)
    boto3.client("ecr").start_image_scan(repositoryName="housing", imageId={"imageDigest": digest})

    assert scan(["housing", digest, "--refuse", refuse]) == expected
    assert capsys.readouterr().out.startswith(f"{severities[0]}: 1")


def test_an_image_that_nobody_has_scanned_is_refused(s3_endpoint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert scan(["housing", pushed(), "--wait", "0"]) == 1
    assert "was not scanned: not begun" in capsys.readouterr().err


def pushed() -> str:
    """Push an image that is a manifest and nothing else, and return its digest."""
    ecr = boto3.client("ecr")
    ecr.create_repository(repositoryName="housing")
    manifest = '{"schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json", '
    manifest += '"config": {"digest": "sha256:0", "size": 1}, "layers": []}'
    made = ecr.put_image(repositoryName="housing", imageManifest=manifest, imageTag="v1")
    return str(made["image"]["imageId"]["imageDigest"])


def findings(endpoint: str, severities: list[str]) -> None:
    """Let the registry find one vulnerability of each severity."""
    result = {
        "repositoryName": "housing",
        "imageId": {},
        "imageScanFindings": {"findingSeverityCounts": dict.fromkeys(severities, 1)},
        "imageScanStatus": {"status": "COMPLETE"},
    }
    told = {"results": [result], "region": "eu-central-1"}
    httpx.post(f"{endpoint}/moto-api/static/ecr/scan-finding-results", json=told).raise_for_status()
