"""Dagster's private names stay in the one module that says why each is needed."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
INTERNALS = ROOT / "resources" / "dagster_internals.py"
PACKAGES = ("housing_assets", "bento_service", "resources", "sensors", "console", "demo", "benchmarks", "deploy")


def private_imports(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        module = (node.module or "") if isinstance(node, ast.ImportFrom) else ""
        yield from (name for name in [*names, module] if name.startswith("dagster._"))


def test_no_other_module_imports_private_names_of_dagster() -> None:
    files = [file for package in PACKAGES for file in (ROOT / package).rglob("*.py") if file != INTERNALS]
    found = {str(file.relative_to(ROOT)): [*private_imports(file)] for file in files}

    assert {file: names for file, names in found.items() if names} == {}


def test_every_private_name_has_its_reason() -> None:
    comments = "\n".join(line for line in INTERNALS.read_text().splitlines() if line.startswith("# "))
    exported = ast.literal_eval(INTERNALS.read_text().partition("__all__ = ")[2].partition("]")[0] + "]")

    assert exported
    assert [name for name in exported if f"{name}:" not in comments and f"{name}," not in comments] == []
