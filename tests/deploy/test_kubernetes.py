"""The objects for Kubernetes: built, valid, and such that nobody runs as root, is open to all or holds a secret."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.kubernetes.__main__ import OVERLAYS, Invalid, _containers, build, main, put_in, validate

pytestmark = pytest.mark.acceptance

PROJECT = Path(__file__).parents[2]
IMAGES = {"housing-service": f"here/service@sha256:{'a' * 64}", "housing-platform": f"here/platform@sha256:{'b' * 64}"}

PATCHES = ("role.yaml", "small.yaml")
Objects = list[dict[str, Any]]


@pytest.fixture(scope="module", params=OVERLAYS)
def objects(request: pytest.FixtureRequest) -> Objects:
    """What an overlay comes to."""
    if not shutil.which("kubectl"):
        pytest.skip("no kubectl")
    return build(request.param)


def written() -> Iterator[tuple[Path, dict[str, Any]]]:
    """Give each object that stands in a file, which needs no kubectl."""
    folder = PROJECT / "deploy" / "kubernetes"
    files = [*folder.glob("base/**/*.yaml"), *folder.glob("overlays/**/*.yaml")]
    for file in files:
        if file.name not in ("kustomization.yaml", *PATCHES):
            yield from ((file, each) for each in yaml.safe_load_all(file.read_text()))


def test_every_object_that_stands_in_a_file_is_valid() -> None:
    objects = list(written())
    for _, each in objects:
        validate(each)
    assert len(objects) >= 25


def test_every_file_is_part_of_what_is_built() -> None:
    for folder in {file.parent for file, _ in written()}:
        named = yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]
        assert {file.name for file, _ in written() if file.parent == folder} <= set(named)


def of_kind(objects: Objects, kind: str) -> Objects:
    return [each for each in objects if each["kind"] == kind]


def pods(objects: Objects) -> Iterator[dict[str, Any]]:
    for each in objects:
        spec = each.get("spec", {})
        template = spec.get("jobTemplate", {}).get("spec", spec).get("template")
        if template:
            yield template["spec"]


def test_every_object_is_valid(objects: Objects) -> None:
    for each in objects:
        validate(each)
    assert {each["kind"] for each in objects} >= {
        *("StatefulSet", "Deployment", "Job", "CronJob", "Service", "HorizontalPodAutoscaler", "PodDisruptionBudget"),
        *("NetworkPolicy", "ServiceMonitor", "PrometheusRule", "ServiceAccount", "ConfigMap", "Ingress"),
    }


@pytest.mark.parametrize(
    ("kind", "path", "value"),
    [
        ("StatefulSet", ("spec", "replicaz"), 2),
        ("StatefulSet", ("spec", "serviceName"), 3),
        ("HorizontalPodAutoscaler", ("spec", "maxReplicas"), "ten"),
        ("ServiceMonitor", ("spec", "endpoint"), []),
        ("PrometheusRule", ("spec", "groups"), [{"name": "", "rules": []}]),
        ("NetworkPolicy", ("spec", "policyTypes"), "Ingress"),
    ],
)
def test_an_object_of_another_form_is_refused(
    objects: Objects, kind: str, path: tuple[str, str], value: object
) -> None:
    each = of_kind(objects, kind)[0]
    wrong = {**each, path[0]: {**each[path[0]], path[1]: value}}
    with pytest.raises(Invalid, match=kind):
        validate(wrong)


def test_no_pod_runs_as_root_or_can_write_to_its_image(objects: Objects) -> None:
    assert len(list(pods(objects))) == 5
    for pod in pods(objects):
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert "memory" in container["resources"]["limits"]
            assert {mount["mountPath"] for mount in container["volumeMounts"]} & {"/tmp", "/data"}
            assert {mount["name"] for mount in container["volumeMounts"]} <= _volumes(objects, pod)


def _volumes(objects: Objects, pod: dict[str, Any]) -> set[str]:
    claimed = {
        claim["metadata"]["name"] for each in objects for claim in each.get("spec", {}).get("volumeClaimTemplates", ())
    }
    return {volume["name"] for volume in pod.get("volumes", ())} | claimed


def test_secrets_are_named_and_never_there(objects: Objects) -> None:
    assert of_kind(objects, "Secret") == []
    named = {
        source["secretRef"]["name"]
        for container in _containers(objects)
        for source in container["envFrom"]
        if "secretRef" in source
    }
    assert named == {"housing-prediction-store", "housing-mlflow", "housing-dagster-store", "housing-signing"}
    assert not [container["name"] for container in _containers(objects) if "env" in container]
    documented = (PROJECT / "docs" / "delivery.md").read_text()
    for secret in {*named, "housing-keys", "housing-prometheus"}:
        assert f"`{secret}`" in documented


def test_every_pod_is_closed_but_for_what_a_policy_opens(objects: Objects) -> None:
    closed = [each for each in of_kind(objects, "NetworkPolicy") if each["spec"]["podSelector"] == {}]
    (policy,) = closed
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in policy["spec"]


def test_the_service_is_probed_scaled_and_kept_as_it_says_of_itself(objects: Objects) -> None:
    (service,) = of_kind(objects, "StatefulSet")
    (container,) = service["spec"]["template"]["spec"]["containers"]
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert container["livenessProbe"]["httpGet"]["path"] == "/livez"
    (settings,) = [
        each["data"] for each in of_kind(objects, "ConfigMap") if "housing-service" in each["metadata"]["name"]
    ]
    probe = container["readinessProbe"]
    unready = probe["periodSeconds"] * probe["failureThreshold"]
    grace = service["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    assert unready < float(settings["HOUSING_DRAIN_SECONDS"]) < grace - 10
    (claim,) = service["spec"]["volumeClaimTemplates"]
    assert claim["spec"]["resources"]["requests"]["storage"] == "4Gi"
    assert int(settings["HOUSING_JOURNAL_BYTES"]) <= 2**32 / 4
    (scaler,) = of_kind(objects, "HorizontalPodAutoscaler")
    assert (scaler["spec"]["minReplicas"], scaler["spec"]["maxReplicas"]) == (2, 10)
    assert scaler["spec"]["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "housing"}
    assert "replicas" not in service["spec"]  # or each delivery would undo what the autoscaler did


def test_what_selects_pods_finds_some(objects: Objects) -> None:
    labels = [
        each["spec"].get("jobTemplate", {}).get("spec", each["spec"])["template"]["metadata"]["labels"]
        for each in objects
        if each["kind"] in ("StatefulSet", "Deployment", "Job", "CronJob")
    ]
    selectors = [each["spec"]["selector"] for each in of_kind(objects, "Service")]
    selectors += [each["spec"]["selector"]["matchLabels"] for each in of_kind(objects, "PodDisruptionBudget")]
    selectors += [
        each["spec"]["podSelector"]["matchLabels"]
        for each in of_kind(objects, "NetworkPolicy")
        if "matchLabels" in each["spec"]["podSelector"]
    ]
    for selector in selectors:
        assert any(selector.items() <= each.items() for each in labels), selector
    (monitor,) = of_kind(objects, "ServiceMonitor")
    scraped = [each for each in of_kind(objects, "Service") if "housing/scrape" in each["metadata"].get("labels", {})]
    assert [each["metadata"]["name"] for each in scraped] == ["housing"]
    assert monitor["spec"]["selector"]["matchLabels"].items() <= scraped[0]["metadata"]["labels"].items()


def test_the_rules_are_those_of_prometheus(objects: Objects) -> None:
    files = sorted((PROJECT / "deploy" / "prometheus").glob("*.rules.yaml"))
    assert [each["spec"]["groups"] for each in of_kind(objects, "PrometheusRule")] == [
        yaml.safe_load(file.read_text())["groups"] for file in files
    ]


def test_images_are_those_of_a_delivery_and_named_by_their_digest(objects: Objects) -> None:
    with pytest.raises(Invalid, match="expected an image named by its digest"):
        put_in(IMAGES | {"housing-service": "here/service:latest"}, objects)
    with pytest.raises(Invalid, match="has the image housing-platform"):
        put_in({"housing-service": IMAGES["housing-service"]}, [dict(each) for each in of_kind(objects, "Job")])


@pytest.mark.skipif(not shutil.which("kubectl"), reason="no kubectl")
def test_the_command_prints_what_is_applied(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["staging", "--service", IMAGES["housing-service"], "--platform", IMAGES["housing-platform"]]
    assert main(command) == 0
    told = capsys.readouterr()
    printed = list(yaml.safe_load_all(told.out))
    assert {container["image"] for container in _containers(printed)} == set(IMAGES.values())
    assert told.err == f"{len(printed)} objects, each valid for Kubernetes 1.33\n"
    assert main([*command[:2], "housing-service", *command[3:]]) == 1


def test_the_values_for_dagsters_own_chart_are_readable_and_hold_no_secret() -> None:
    values = yaml.safe_load((PROJECT / "deploy" / "kubernetes" / "dagster.values.yaml").read_text())
    assert values["dagsterWebserver"]["enableReadOnly"] is True
    assert values["postgresql"]["enabled"] is False
    (code,) = values["dagster-user-deployments"]["deployments"]
    assert {secret["name"] for secret in code["envSecrets"]} >= {"housing-prediction-store", "housing-mlflow"}
