"""Models that differ from one another, as versions do."""

import dataclasses

from housing_assets.inference.artifact import GoldenRow, ModelArtifact


def of_fewer_trees(artifact: ModelArtifact, n_trees: int) -> ModelArtifact:
    """Return another model than the one given, with other probabilities."""
    forest = dataclasses.replace(artifact.forest, roots=artifact.forest.roots[:n_trees])
    model = dataclasses.replace(artifact, forest=forest)
    golden = [GoldenRow(row.cells, model.predict_one(row.cells).probabilities) for row in artifact.golden]
    return dataclasses.replace(model, golden=golden)
