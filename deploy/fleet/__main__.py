"""Swaps a release on every machine of an environment, one after the other: the first that takes it back ends it.

What swaps releases (``deploy.release``) goes with the golden requests through the bucket to the machines, and AWS
Systems Manager has them run it: no machine needs an open port, or a key for whoever delivers.
"""

import argparse
import hashlib
import re
import shlex
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

RELEASE = Path(__file__).parents[1] / "release"
GOLDEN_FILES = ("golden.json", "labels.json")
TAG = "tag:housing-environment"

IMAGE = re.compile(r"[a-z0-9./_-]+@sha256:[0-9a-f]{64}")
"""An image that is named by its digest: a tag may be another image by the time a machine pulls it."""

BEFORE = "before"

COMMAND_SECONDS = 1_800
"""That one machine may take: pulling, starting, watching."""

POLL_SECONDS = 5.0
ENDED = {"Success", "Cancelled", "Failed", "TimedOut"}

SCRIPT = """set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
aws s3 cp --recursive --only-show-errors {source} "$folder"
cd "$folder"
set -a
. /etc/housing/release.env
set +a
python3.11 -m deploy.release configure > housing.conf
if ! cmp -s housing.conf {nginx}; then
    if [ -f {nginx} ]; then cp {nginx} former.conf; else : > former.conf; fi
    install -m 644 housing.conf {nginx}
    nginx -t || {{ install -m 644 former.conf {nginx}; exit 1; }}
    systemctl reload nginx
fi
python3.11 -m deploy.release {arguments}
"""

NGINX = "/etc/nginx/conf.d/housing.conf"


class NotDelivered(Exception):
    """A machine did not take the release, or there is none."""


def package(golden: Path) -> dict[str, bytes]:
    """Return the files that a machine needs, by their path.

    Parameters
    ----------
    golden : Path
        Model artifact in production, of which the golden rows are taken.
    """
    code = [*sorted(RELEASE.glob("*.py")), *sorted(RELEASE.glob("*.conf"))]
    files = {f"deploy/release/{file.name}": file.read_bytes() for file in code}
    return files | {f"golden/{name}": (golden / name).read_bytes() for name in GOLDEN_FILES}


def upload(files: Mapping[str, bytes], bucket: str) -> str:
    """Put a package into the bucket, below the digest of what is in it, and return its address."""
    import boto3

    digest = hashlib.sha256()
    for name, content in sorted(files.items()):
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    prefix = f"releases/{digest.hexdigest()[:16]}"
    s3 = boto3.client("s3")
    for name, content in files.items():
        s3.put_object(Bucket=bucket, Key=f"{prefix}/{name}", Body=content)
    return f"s3://{bucket}/{prefix}/"


def script(source: str, command: str, image: str | None, watch_seconds: float) -> str:
    """Return what each machine runs."""
    options = ["--golden", "golden", "--watch", f"{watch_seconds:g}"]
    options += ["--docker-options", "--env-file /etc/housing/service.env"]
    arguments = shlex.join([command, *([image] if image else []), *options])
    return SCRIPT.format(source=shlex.quote(source), nginx=NGINX, arguments=arguments)


def machines(environment: str) -> list[str]:
    """Return the ids of the machines of an environment that run.

    Raises
    ------
    NotDelivered
        If there is none.
    """
    import boto3

    wanted = [
        {"Name": TAG, "Values": [environment]},
        {"Name": "instance-state-name", "Values": ["running"]},
    ]
    pages = boto3.client("ec2").get_paginator("describe_instances").paginate(Filters=wanted)
    found = [each["InstanceId"] for page in pages for held in page["Reservations"] for each in held["Instances"]]
    if not found:
        raise NotDelivered(f"no machine has the tag {TAG.partition(':')[2]}={environment}")
    return sorted(found)


def run(instances: Sequence[str], text: str, *, poll_seconds: float = POLL_SECONDS) -> Iterator[str]:
    """Run a script on one machine after the other until one fails, and yield what each has printed.

    Raises
    ------
    NotDelivered
        If one of them fails.
    """
    import boto3

    ssm = boto3.client("ssm")
    command = ssm.send_command(
        InstanceIds=list(instances),
        DocumentName="AWS-RunShellScript",
        Parameters={"commands": [text], "executionTimeout": [str(COMMAND_SECONDS)]},
        MaxConcurrency="1",
        MaxErrors="0",
    )["Command"]["CommandId"]
    while (status := ssm.list_commands(CommandId=command)["Commands"][0]["Status"]) not in ENDED:
        time.sleep(poll_seconds)
    for instance in instances:
        try:
            told = ssm.get_command_invocation(CommandId=command, InstanceId=instance)
        except ssm.exceptions.InvocationDoesNotExist:
            yield f"{instance}: not begun"
        else:
            yield f"{instance}: {told['Status']}\n{told['StandardOutputContent']}{told['StandardErrorContent']}"
    if status != "Success":
        raise NotDelivered(f"{status}: the machine that failed, and those after it, have their former release")


def main(arguments: Sequence[str] | None = None) -> int:
    """Deliver, and return 1 if a machine did not take the release."""
    parser = argparse.ArgumentParser(prog="fleet", description=__doc__)
    parser.add_argument("command", choices=["swap", "rollback"])
    parser.add_argument(
        "--image", default=BEFORE, help=f"named by its digest; a rollback may go to the one {BEFORE}, the default"
    )
    parser.add_argument("--environment", required=True, help="value of the machines' tag housing-environment")
    parser.add_argument("--bucket", required=True, help="that the machines read")
    parser.add_argument("--golden", type=Path, required=True, help="model artifact: housing versions export")
    parser.add_argument("--watch", type=float, default=60, help="seconds that a release is watched")
    chosen = parser.parse_args(arguments)
    goes_before = chosen.command == "rollback" and chosen.image == BEFORE
    if not (goes_before or IMAGE.fullmatch(chosen.image)):
        parser.error(f"--image {chosen.image} is not named by its digest: registry/name@sha256:...")
    try:
        instances = machines(chosen.environment)
        source = upload(package(chosen.golden), chosen.bucket)
        text = script(source, chosen.command, None if goes_before else chosen.image, chosen.watch)
        for told in run(instances, text):
            print(told, flush=True)
    except NotDelivered as fault:
        print(fault, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
