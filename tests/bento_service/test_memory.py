"""What a worker gives back once it has loaded."""

import subprocess
import sys
from pathlib import Path

from tests.bento_service.serving import PROJECT

PREDICT_AND_RETURN = """if True:
    import sys
    from pathlib import Path
    import numpy as np
    import psutil
    from numba import njit
    from bento_service.memory import return_compiler
    from housing_assets.inference.artifact import ModelArtifact

    artifact = ModelArtifact.load(Path(sys.argv[1]))
    ad = artifact.golden[0].cells
    expected = artifact.predict_one(ad)
    before = psutil.Process().memory_info().rss
    return_compiler()
    after = psutil.Process().memory_info().rss
    assert artifact.predict_one(ad) == expected
    assert psutil.Process().memory_info().rss < after + 2_000_000  # predicting needs no compiler
    assert njit(lambda number: number * 2)(21) == 42  # which is there still
    print(before - after)
"""


def test_the_compiler_is_given_back_and_works_if_it_is_called_again(saved: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", PREDICT_AND_RETURN, str(saved)], cwd=PROJECT, capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr
    assert int(ended.stdout) > 20_000_000
