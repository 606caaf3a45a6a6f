"""The example scripts run, from anywhere, and print what they promise."""

import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))

PROMISED = {
    "compare_line_searches": ("hager-zhang", "armijo", "more-thuente", "nonmonotone-average", "fixed", "gtol"),
    "fit_decay": ("fitted", "gradient: exact", "at or below its tolerance"),
    "inner_problem": ("1000000 inner problems", "not solved: 0", "energy"),
    "saddle_trajectories": ("gradient descent", "perturbed", "saddle-free Newton", "minimum, gtol", "drawn in"),
    "own_line_search": ("golden", "x = [3.  0.5]", "gtol"),
}


ARGUMENTS = {"saddle_trajectories": ["ways.png"]}


def test_every_example_has_a_promise():
    assert {path.stem for path in EXAMPLES} == set(PROMISED)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_example_runs(path, tmp_path):
    ran = subprocess.run(
        [sys.executable, "-W", "error::RuntimeWarning", path, *ARGUMENTS.get(path.stem, ())],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == ""
    for words in PROMISED[path.stem]:
        assert words in ran.stdout
