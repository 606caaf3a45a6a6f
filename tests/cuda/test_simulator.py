"""The simulator needs a process of its own: Numba reads its switches at import."""

import os
import pathlib
import subprocess
import sys

import pytest

from tests.conftest import ROOT


@pytest.mark.timeout(900)
def test_kernels_in_the_simulator(tmp_path):
    switches = {"NUMBA_ENABLE_CUDASIM": "1", "NUMBA_DISABLE_JIT": "1", "NUMBA_CACHE_DIR": str(tmp_path)}
    files = sorted(pathlib.Path(__file__).parent.glob("simulated*.py"))
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *files]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | switches, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
