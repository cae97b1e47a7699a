"""Bakes a model artifact into a bento: ``python -m housing_assets.packaging.bake``, a process that ends with it.

BentoML imports the service to build it, and what a process has imported it does not read again.
"""

import argparse
import json
import shutil
from pathlib import Path

from housing_assets.packaging.bento import MODEL, PROJECT


def main() -> None:
    """Store a model artifact in BentoML's model store, build the bento that holds it, and print the bento's tag."""
    import bentoml
    import yaml

    parser = argparse.ArgumentParser(prog="bake", description=main.__doc__)
    parser.add_argument("artifact", type=Path, help="folder of the model artifact")
    parser.add_argument("version", help="of the bento and of its model; the store must not have it yet")
    parser.add_argument("labels", type=json.loads, help="of both, as a JSON object")
    chosen = parser.parse_args()
    options = yaml.safe_load((PROJECT / "bentofile.yaml").read_text(encoding="utf-8"))
    with bentoml.models.create(f"{MODEL}:{chosen.version}", labels=chosen.labels) as model:
        shutil.copytree(chosen.artifact, model.path, dirs_exist_ok=True)
    options["models"] = [{"tag": str(model.tag), "alias": MODEL}]
    bento = bentoml.bentos.build(**options, version=chosen.version, labels=chosen.labels, build_ctx=str(PROJECT))
    print(bento.tag)


if __name__ == "__main__":
    main()
