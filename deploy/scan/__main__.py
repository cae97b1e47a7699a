"""Waits for the registry's scan of a pushed image, and refuses one with known vulnerabilities of some severity."""

import argparse
import sys
import time
from collections.abc import Mapping, Sequence

SEVERITIES = ("INFORMATIONAL", "LOW", "MEDIUM", "HIGH", "CRITICAL")
POLL_SECONDS = 5.0
WAIT_SECONDS = 600.0


class NotScanned(Exception):
    """The registry has not scanned the image: nothing is known of it."""


def counts(repository: str, digest: str, *, wait_seconds: float = WAIT_SECONDS) -> Mapping[str, int]:
    """Return how many vulnerabilities the registry found, by severity.

    Parameters
    ----------
    repository, digest : str
        Of the image; the registry scans what is pushed by itself (``deploy/terraform``).
    wait_seconds : float

    Raises
    ------
    NotScanned
        If the scan failed, or did not end in time.
    """
    import boto3
    from botocore.exceptions import ClientError

    ecr = boto3.client("ecr")
    until = time.monotonic() + wait_seconds
    state = "not begun"
    while True:
        try:
            found = ecr.describe_image_scan_findings(repositoryName=repository, imageId={"imageDigest": digest})
            state = found["imageScanStatus"]["status"]
        except ClientError as fault:
            if fault.response["Error"]["Code"] != "ScanNotFoundException":
                raise
        if state in ("COMPLETE", "ACTIVE"):
            return dict(found["imageScanFindings"].get("findingSeverityCounts", {}))
        if state in ("FAILED", "UNSUPPORTED_IMAGE") or time.monotonic() > until:
            raise NotScanned(f"{repository}@{digest} was not scanned: {state}")
        time.sleep(POLL_SECONDS)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what was found, and return 1 if any of it is as severe as what is refused, or nothing is known."""
    parser = argparse.ArgumentParser(prog="scan", description=__doc__)
    parser.add_argument("repository")
    parser.add_argument("digest")
    parser.add_argument("--refuse", choices=SEVERITIES, default="HIGH", help="the least severe one that is refused")
    parser.add_argument("--wait", type=float, default=WAIT_SECONDS, help="seconds")
    chosen = parser.parse_args(arguments)
    try:
        found = counts(chosen.repository, chosen.digest, wait_seconds=chosen.wait)
    except NotScanned as fault:
        print(fault, file=sys.stderr)
        return 1
    print(
        ", ".join(f"{severity}: {found[severity]}" for severity in reversed(SEVERITIES) if severity in found) or "none"
    )
    refused = SEVERITIES[SEVERITIES.index(chosen.refuse) :]
    return 1 if any(found.get(severity) for severity in refused) else 0


if __name__ == "__main__":
    sys.exit(main())
