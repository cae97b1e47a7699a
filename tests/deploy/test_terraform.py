"""What Terraform would make: formatted, every reference declared, roles that may do no more than they must.

Terraform itself validates it only with the provider of AWS, which cannot be had everywhere: a wrong
argument of a resource is not found here.
"""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import hcl2
import pytest

pytestmark = pytest.mark.acceptance

TERRAFORM = Path(__file__).parents[2] / "deploy" / "terraform"
MODULES = sorted({file.parent for file in TERRAFORM.glob("*/*.tf")})

WITHOUT_RESOURCE = {
    "ec2:DescribeInstances",
    "ecr:GetAuthorizationToken",
    "ssm:GetCommandInvocation",
    "ssm:ListCommands",
}
"""Actions that AWS knows for all resources only."""

REFERENCE = re.compile(r"(?<![\w.\"-])(var|local|module|data\.\w+|aws_\w+)\.(\w+)")


def read(module: Path) -> Iterator[Mapping[str, Any]]:
    for file in sorted(module.glob("*.tf")):
        with file.open() as opened:
            yield hcl2.load(opened)


def bare(name: str) -> str:
    return name.strip('"')


def declared(module: Path) -> set[str]:
    """Return what expressions of a module may refer to."""
    names = set()
    for parsed in read(module):
        for kind, prefix in (("variable", "var"), ("module", "module")):
            names |= {f"{prefix}.{bare(name)}" for block in parsed.get(kind, ()) for name in block}
        names |= {f"local.{name}" for block in parsed.get("locals", ()) for name in block if not name.startswith("__")}
        for kind, prefix in (("resource", ""), ("data", "data.")):
            for block in parsed.get(kind, ()):
                names |= {f"{prefix}{bare(typed)}.{bare(name)}" for typed, held in block.items() for name in held}
    return names


def statements(module: Path) -> Iterator[Mapping[str, Any]]:
    for parsed in read(module):
        for block in parsed.get("data", ()):
            for document in block.get('"aws_iam_policy_document"', {}).values():
                yield from document["statement"]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_every_reference_is_declared_and_every_variable_used(module: Path) -> None:
    text = "\n".join(json.dumps(parsed) for parsed in read(module)).replace('\\"', '"')
    found = {f"{kind}.{name}" for kind, name in REFERENCE.findall(text)}
    assert found - declared(module) == set()
    assert {name for name in declared(module) if name.startswith("var.")} - found == set()


def test_what_a_module_is_given_is_what_it_takes() -> None:
    taken = {name for name in declared(TERRAFORM / "github_role") if name.startswith("var.")}
    for module in MODULES:
        for parsed in read(module):
            for block in parsed.get("module", ()):
                for given in block.values():
                    assert bare(given["source"]) == "../github_role"
                    named = {f"var.{name}" for name in given if name != "source" and not name.startswith("__")}
                    assert named == taken


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_a_role_may_do_no_more_than_it_must(module: Path) -> None:
    for statement in statements(module):
        actions = {bare(action) for action in statement["actions"]}
        if statement.get("effect") == '"Deny"':
            continue
        assert not [action for action in actions if "*" in action]
        if statement.get("resources") == ['"*"']:
            assert actions <= WITHOUT_RESOURCE


def test_machines_and_buckets_are_closed() -> None:
    resources: dict[str, list[Mapping[str, Any]]] = {}
    for parsed in read(TERRAFORM / "environment"):
        for block in parsed.get("resource", ()):
            for typed, held in block.items():
                resources.setdefault(bare(typed), []).extend(held.values())
    (machine,) = resources["aws_instance"]
    assert machine["metadata_options"][0]["http_tokens"] == '"required"'
    assert "key_name" not in machine
    (access,) = resources["aws_s3_bucket_public_access_block"]
    assert {access[name] for name in access if "public" in name} == {True}
    for rule in resources["aws_vpc_security_group_ingress_rule"]:
        assert "0.0.0.0/0" not in json.dumps(rule)


@pytest.mark.skipif(not shutil.which("terraform"), reason="no terraform")
def test_it_is_formatted(tmp_path: Path) -> None:
    ended = subprocess.run(
        ["terraform", "fmt", "-check", "-recursive", "-diff", TERRAFORM], capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
