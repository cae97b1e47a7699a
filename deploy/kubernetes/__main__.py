"""Prints the objects of an overlay, complete and valid, for ``kubectl apply``.

What ``kubectl kustomize`` builds has neither the images of a delivery nor Prometheus' rules: both are put in here, the
rules from the files that Prometheus reads elsewhere. Each object is checked against the schema of its kind, without a
cluster; those of the operator of Prometheus against what is kept in ``schemas``.
"""

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RULES = HERE.parent / "prometheus"
SCHEMAS = HERE / "schemas"
OVERLAYS = tuple(sorted(folder.name for folder in (HERE / "overlays").iterdir()))
VERSION = "1.33"
"""Of Kubernetes, whose schemas count: nothing newer is used."""

DIGEST = re.compile(r"\S+@sha256:[0-9a-f]{64}")

Object = dict[str, Any]


class Invalid(Exception):
    """An object that a cluster would refuse."""


def build(overlay: str) -> list[Object]:
    """Return the objects of an overlay, as kustomize builds them, and those that are made of other files.

    Raises
    ------
    Invalid
        If kustomize does not build it.
    """
    import yaml

    ended = subprocess.run(
        ["kubectl", "kustomize", str(HERE / "overlays" / overlay)], capture_output=True, text=True, check=False
    )
    if ended.returncode:
        raise Invalid(ended.stderr.strip())
    objects: list[Object] = list(yaml.safe_load_all(ended.stdout))
    (namespace,) = {each["metadata"]["namespace"] for each in objects if "namespace" in each["metadata"]}
    return [*objects, *rules(namespace)]


def rules(namespace: str) -> list[Object]:
    """Return what the operator of Prometheus reads rules from, for each file of rules that there is."""
    import yaml

    return [
        {
            "apiVersion": "monitoring.coreos.com/v1",
            "kind": "PrometheusRule",
            "metadata": {"name": f"housing-{file.name.partition('.')[0]}", "namespace": namespace},
            "spec": {"groups": yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]},
        }
        for file in sorted(RULES.glob("*.rules.yaml"))
    ]


def put_in(images: Mapping[str, str], objects: Sequence[Object]) -> None:
    """Name the images of containers.

    Raises
    ------
    Invalid
        If one has no digest, or a container another image than those that are known.
    """
    for name, image in images.items():
        if not DIGEST.fullmatch(image):
            raise Invalid(f"{name} is {image}, expected an image named by its digest: registry/name@sha256:...")
    for container in _containers(objects):
        if container["image"] not in images:
            raise Invalid(f"container {container['name']} has the image {container['image']}, expected {list(images)}")
        container["image"] = images[container["image"]]


def validate(each: Object) -> None:
    """Check an object against the schema of its kind.

    Raises
    ------
    Invalid
        If it has not its form.
    """
    import jsonschema
    import kubernetes_validate

    kept = SCHEMAS / f"{each['kind']}.json"
    try:
        if kept.exists():
            jsonschema.validate(each, json.loads(kept.read_text(encoding="utf-8")))
        else:
            kubernetes_validate.validate(each, VERSION, strict=True)
    except (
        jsonschema.ValidationError,
        kubernetes_validate.ValidationError,
        kubernetes_validate.SchemaNotFoundError,
    ) as fault:
        raise Invalid(f"{each['kind']} {each['metadata']['name']}: {fault}") from fault


def _containers(objects: Sequence[Object]) -> Iterator[Object]:
    for each in objects:
        spec = each.get("spec", {})
        pod = spec.get("jobTemplate", {}).get("spec", spec).get("template", {}).get("spec", {})
        yield from (*pod.get("initContainers", ()), *pod.get("containers", ()))


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the objects, and how many they are; 1 if one of them is invalid."""
    import yaml

    parser = argparse.ArgumentParser(prog="kubernetes", description=__doc__)
    parser.add_argument("overlay", choices=OVERLAYS)
    parser.add_argument("--service", required=True, help="image of the service, named by its digest")
    parser.add_argument("--platform", required=True, help="image of what trains, named by its digest")
    chosen = parser.parse_args(arguments)
    try:
        objects = build(chosen.overlay)
        put_in({"housing-service": chosen.service, "housing-platform": chosen.platform}, objects)
        for each in objects:
            validate(each)
    except Invalid as fault:
        print(fault, file=sys.stderr)
        return 1
    print(yaml.safe_dump_all(objects, sort_keys=False), end="")
    print(f"{len(objects)} objects, each valid for Kubernetes {VERSION}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
