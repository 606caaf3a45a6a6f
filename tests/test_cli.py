"""`python -m secondorder`: what it prints where, what it exits with, and that it never leaves a traceback."""

import importlib
import json
import os
import pathlib
import subprocess
import sys

import pytest

from secondorder import __version__
from secondorder.__main__ import main

module = sys.modules["secondorder.__main__"]
SMALL = ["compare", "--problems", "beale,rosenbrock", "--methods", "BFGS"]


ENVIRONMENT = os.environ | {"PYTHONPATH": str(pathlib.Path(__file__).parents[1])}


def python(*arguments, cache):
    environment = ENVIRONMENT | {"NUMBA_CACHE_DIR": str(cache)}
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False, env=environment)


def files_in(folder):
    return sorted(path for path in pathlib.Path(folder).rglob("*") if path.is_file())


def test_compare_prints_a_report(capsys):
    assert main(SMALL) == 0
    out, err = capsys.readouterr()
    for word in ("beale", "rosenbrock", "bfgs", "scipy BFGS", "performance profile", "stopping test"):
        assert word in out
    assert err == ""


def test_compare_prints_json_that_parses(capsys):
    assert main([*SMALL, "--no-scipy", "--json", "--gtol", "1e-6"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(record["problem"], record["solver"]) for record in found["records"]] == [
        ("beale", "bfgs"),
        ("rosenbrock", "bfgs"),
    ]
    assert found["settings"]["gtol"] == 1e-6


@pytest.mark.parametrize(("given", "threads"), [({}, "1"), ({"OMP_NUM_THREADS": "2"}, "2")])
def test_compare_limits_blas_without_threadpoolctl(given, threads, tmp_path):
    (tmp_path / "threadpoolctl.py").write_text("raise ImportError")
    clean = {name: value for name, value in ENVIRONMENT.items() if not name.endswith("_NUM_THREADS")}
    path = os.pathsep.join([str(tmp_path), ENVIRONMENT["PYTHONPATH"]])
    done = subprocess.run(
        [sys.executable, "-m", "secondorder", *SMALL, "--no-scipy", "--json"],
        capture_output=True,
        text=True,
        check=False,
        env=clean | given | {"PYTHONPATH": path},
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["settings"]["blas_threads"]
    assert f"OPENBLAS_NUM_THREADS={threads}" in found


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_compare_writes_a_figure(ending, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    path = tmp_path / f"profile.{ending}"
    assert main([*SMALL, "--plot", str(path)]) == 0
    assert path.read_bytes()[:5] in (b"\x89PNG\r", b"<?xml")
    assert str(path) in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["compare", "--problems", "rosenbrok"], "did you mean 'rosenbrock'?"),
        (["compare", "--methods", "bgfs"], "did you mean 'bfgs'?"),
        (["compare", "--methods", ","], "no name given"),
        (["compare", "--gtol", "-1"], "'-1' must be positive"),
        (["compare", "--gtol", "small"], "'small' is not a number"),
        (["compare", "--plot", "profile"], "needs an ending"),
        (["compare", "--plot", "no/such/folder/p.png"], "there is no folder"),
        (["cache", "--warm", "--clear"], "not allowed with"),
        (["compair"], "invalid choice"),
        ([], "required"),
    ],
)
def test_wrong_usage_exits_with_2_and_says_why(arguments, said, capsys):
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    out, err = capsys.readouterr()
    assert said in err
    assert out == ""


def test_an_unknown_figure_format_is_refused_before_the_work(monkeypatch, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(
        importlib.import_module("secondorder.compare"), "compare", lambda *a, **k: pytest.fail("it ran")
    )
    assert main([*SMALL, "--plot", str(tmp_path / "p.docx")]) == 1
    assert "must be one of" in capsys.readouterr().err


def test_plot_without_matplotlib_says_what_to_install(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert main([*SMALL, "--plot", str(tmp_path / "p.png")]) == 1
    assert "pip install 'secondorder[plot]'" in capsys.readouterr().err


def test_an_interrupt_exits_with_130(monkeypatch):
    def interrupted(parsed):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "run_info", interrupted)
    assert main(["info"]) == 130


def test_info_names_versions_and_the_cache(capsys):
    from importlib import metadata

    from secondorder.jit import cache_root

    assert main(["info"]) == 0
    out = capsys.readouterr().out
    for word in (__version__, metadata.version("numba"), metadata.version("numpy"), str(cache_root()), "blas threads"):
        assert word in out


def test_a_reader_that_goes_away_leaves_no_traceback():
    command = [sys.executable, "-m", "secondorder", "info"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)
    process.stdout.close()
    error = process.stderr.read()
    process.stderr.close()
    assert (process.wait(), error) == (141, "")


def test_cache_path_prints_the_folder_and_nothing_else(tmp_path):
    done = python("-m", "secondorder", "cache", "--path", cache=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{tmp_path / 'secondorder'}\n", "")


def test_cache_clear_deletes_the_cache_and_nothing_else(tmp_path):
    ours, other = tmp_path / "secondorder" / "0123-cpu" / "run.nbc", tmp_path / "other" / "run.nbc"
    for path in (ours, other):
        path.parent.mkdir(parents=True)
        path.write_bytes(b"0" * 1000)
    assert "1 files, 0.0 MB" in python("-m", "secondorder", "cache", cache=tmp_path).stdout
    done = python("-m", "secondorder", "cache", "--clear", cache=tmp_path)
    assert done.returncode == 0
    assert files_in(tmp_path) == [other]
    assert python("-m", "secondorder", "cache", "--clear", cache=tmp_path).returncode == 0  # nothing there: fine


WARM = """
import secondorder.line_searches, secondorder.methods, secondorder.updates, secondorder.updates.schedules
tables = (secondorder.methods.METHODS, "cg"), (secondorder.line_searches.LINE_SEARCHES, "armijo")
updates = (secondorder.updates.UPDATES, "sgd"), (secondorder.updates.schedules.SCHEDULES, "constant")
for table, kept in (*tables, *updates):
    for name in [name for name in table if name != kept]:
        del table[name]
from secondorder.__main__ import main
raise SystemExit(main(["cache", "--warm"]))
"""

USE = """
import numpy as np
import secondorder as so
def fun(x):
    return (x[0] - 1.0) ** 2 + 10.0 * x[1] ** 2
def pair(x):
    return (x[0] - 1.0) ** 2 + 10.0 * x[1] ** 2, np.array([2.0 * (x[0] - 1.0), 20.0 * x[1]])
options = {"line_search": "armijo"}
for backend in ("numba", "python"):
    for objective, jac in ((fun, "2-point"), (fun, "3-point"), (fun, "cs"), (pair, True)):
        r = so.minimize(objective, np.ones(2), jac=jac, method="cg", options=options, callback=print, backend=backend)
        assert r.success
    so.minimize(pair, np.ones(2), jac=True, method="sgd", backend=backend, callback=print)
for number in (np.float32, np.float64):
    x, sgd = np.ones(2, number), so.SGD()
    sgd.step(x, np.ones(2, number), sgd.init(x))
"""


def test_nothing_is_left_to_compile_once_the_cache_is_warm(tmp_path):
    """For one method, search, rule and schedule, which stand for all of the tables."""
    warmed = python("-c", WARM, cache=tmp_path)
    assert warmed.returncode == 0, warmed.stderr
    assert "combinations ready" in warmed.stdout
    before = files_in(tmp_path)
    assert before
    used = python("-c", USE, cache=tmp_path)
    assert used.returncode == 0, used.stderr
    assert files_in(tmp_path) == before
