"""Random starts: they are where they are said to be, the lowest end is returned, distinct minima are told apart."""

import numpy as np
import pytest
from scipy.stats import qmc

import secondorder as so
from secondorder import PROBLEMS
from secondorder.starts import SAMPLINGS
from tests.objectives import made_once

BOX = [(-5.0, 5.0), (0.0, 2.0), (3.0, 3.0)]


def sphere(x):
    return x @ x


def starts_of(sampling, n_starts=16, seed=4, **given):
    given = given or ({"x0": np.zeros(3), "spread": 2.0} if sampling == "normal" else {"bounds": BOX})
    return so.draw_starts(n_starts, sampling=sampling, seed=seed, **given)


@pytest.mark.parametrize("sampling", [name for name in SAMPLINGS if name != "normal"])
@pytest.mark.parametrize("n_starts", [1, 5, 16])
def test_starts_lie_in_the_box(sampling, n_starts):
    starts = starts_of(sampling, n_starts)
    assert starts.shape == (n_starts, 3)
    assert np.all(starts >= [low for low, _ in BOX]) and np.all(starts <= [high for _, high in BOX])


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_a_seed_gives_the_same_starts_again(sampling):
    assert np.array_equal(starts_of(sampling), starts_of(sampling))
    assert not np.array_equal(starts_of(sampling), starts_of(sampling, seed=5))


def test_latin_hypercubes_have_one_start_in_each_slice():
    slices = np.floor((starts_of("latin-hypercube")[:, 0] + 5.0) / 10.0 * 16)
    assert sorted(slices) == list(range(16))


def test_sobol_fills_the_box_more_evenly_than_chance():
    box = [(0.0, 1.0)] * 3
    even, chance = (qmc.discrepancy(starts_of(name, 64, bounds=box)) for name in ("sobol", "box"))
    assert even < 0.5 * chance


def test_normal_starts_are_centered_and_spread_as_asked():
    starts = starts_of("normal", 400, x0=[1.0, -2.0], spread=[0.1, 10.0])
    assert np.array_equal(starts[0], [1.0, -2.0])
    assert np.allclose(starts.mean(axis=0), [1.0, -2.0], atol=[0.02, 2.0])
    assert np.allclose(starts.std(axis=0), [0.1, 10.0], rtol=0.1)


def test_all_four_minima_of_himmelblau_are_found_and_told_apart():
    problem = PROBLEMS["himmelblau"]
    objective = made_once(problem.fun_grad)
    found = so.random_starts(objective, bounds=[(-5.0, 5.0)] * 2, sampling="sobol", n_starts=32, backend="python")
    ends = sorted(tuple(minimum.x.round(3)) for minimum in found.minima)
    assert ends == sorted(tuple(x.round(3)) for x in problem.minimizers())
    assert found.success and found.fun == min(run.fun for run in found.runs)
    assert found.nfev_total == sum(run.nfev for run in found.runs)
    assert len(found.runs) == len(found.starts) == sum(minimum.count for minimum in found.minima) == 32
    again = so.multistart(objective, so.draw_starts(32, bounds=[(-5.0, 5.0)] * 2, sampling="sobol"), backend="python")
    assert [m.count for m in again.minima] == [m.count for m in found.minima]
    for one, other in zip(found.minima, again.minima, strict=True):
        assert np.array_equal(one.x, other.x) and np.array_equal(one.starts, other.starts)


def test_random_starts_minimizes_from_the_starts_that_are_drawn():
    given = {"bounds": [(-1.0, 3.0)] * 2, "sampling": "box", "seed": 9}
    found = so.random_starts(sphere, n_starts=3, options={"maxiter": 0}, **given)
    assert np.array_equal(found.starts, so.draw_starts(3, **given))


def test_saddles_are_no_minima_of_random_starts():
    problem = PROBLEMS["double-well"]
    objective, starts = made_once(problem.fun_grad, hvp=problem.hvp), [[0.0, 1.0], [0.0, 2.0]]
    seen = so.random_starts(objective, starts, method="newton-cg", second_order="certify")
    assert not seen.success and seen.reason == "saddle" and seen.minima == []
    left = so.random_starts(objective, starts, method="newton-cg")
    assert left.success and left.fun == pytest.approx(-0.25)


def test_starts_of_ones_own_are_taken_as_they_are():
    own = np.array([[3.0, 1.0], [-2.0, 2.0], [0.0, 0.0]])
    found = so.random_starts(sphere, own, method="newton", options={"gtol": 1e-9})
    assert np.array_equal(found.starts, own)
    assert [run.method for run in found.runs] == ["newton"] * 3
    assert len(found.minima) == 1


def test_runs_that_fail_are_no_minima():
    found = so.random_starts(sphere, [3.0, 1.0], n_starts=4, options={"maxiter": 0, "gtol": 1e-9})
    assert not found.success and found.minima == []
    assert found.fun == min(run.fun for run in found.runs)


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({}, ValueError, "no starts: give bounds"),
        ({"x0": [1.0], "sampling": "sobol"}, ValueError, "draws from bounds"),
        ({"bounds": [(0.0, 1.0)], "sampling": "normal"}, ValueError, "needs x0"),
        ({"bounds": [(0.0, 1.0)], "sampling": "sobel"}, ValueError, "did you mean 'sobol'"),
        ({"bounds": [(0.0, 1.0)], "sampling": 3}, TypeError, "Known: box, normal"),
        ({"bounds": [(0.0, None)]}, TypeError, "n pairs"),
        ({"bounds": [(0.0, 1.0), (2.0, 1.0)]}, ValueError, r"bounds\[1\]"),
        ({"bounds": [(0.0, np.inf)]}, ValueError, "finite"),
        ({"x0": [1.0], "spread": 0.0}, ValueError, "spread"),
        ({"x0": [1.0], "n_starts": 0}, ValueError, "n_starts=0"),
        ({"x0": [1.0], "n_starts": 2.5}, ValueError, "n_starts=2.5"),
        ({"x0": [[1.0], [2.0]], "bounds": [(0.0, 1.0)]}, ValueError, "2 starts"),
    ],
)
def test_wrong_arguments_are_refused_by_name(given, error, words):
    with pytest.raises(error, match=words):
        so.random_starts(sphere, **given)
