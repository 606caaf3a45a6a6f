"""The logic of kernels in Numba's CUDA simulator: one problem a thread gives what the CPU gives for that problem.

Run by test_simulator.py and .ci/run under NUMBA_ENABLE_CUDASIM=1 and NUMBA_DISABLE_JIT=1, which Numba reads at import.
"""

import numpy as np
import pytest
from numba import config, cuda

import secondorder as so
from secondorder.jit import JIT_DISABLED
from tests.cuda.kernels import VECTOR, kernel
from tests.derivatives.corpus import PROGRAMS, arguments
from tests.derivatives.test_workspace import ENDLESS, bits

assert config.ENABLE_CUDASIM and JIT_DISABLED, "run this under NUMBA_ENABLE_CUDASIM=1 NUMBA_DISABLE_JIT=1"

NAMES = [p[0].__name__ for p in PROGRAMS]


def simulated(what, function, args, problems, threads):
    """(the rows of the kernel's results, those of the derivative called on the host, the memory after the last row)."""
    derivative, made = kernel(what, function, len(args) - 1)
    n, x = derivative.n_workspace(*args), args[0]
    random = np.random.default_rng(2)
    points = np.array([x * (1.0 + 1e-3 * k) for k in range(problems)]).reshape(problems, x.size)
    vectors = random.normal(size=points.shape)
    out = np.full((problems + 1, 2 if what == "jvp" else x.size), -7.0)
    memory = np.full((problems + 1, n), np.nan)
    blocks = max(1, -(-problems // threads))
    cuda.jit(made)[blocks, threads](points, vectors, *args[1:], out, memory)
    expected = np.full_like(out, -7.0)
    for point, vector, row in zip(points, vectors, expected):
        extra = [vector] if what in VECTOR else []
        row[:] = getattr(so, what)(function)(point, *extra, *args[1:])
    return out, expected, memory[problems:]


@pytest.mark.parametrize("what", ["grad", "hvp", "jvp"])
@pytest.mark.parametrize(("function", "make"), [p[:2] for p in PROGRAMS], ids=NAMES)
def test_each_thread_has_its_problem(what, function, make):
    if function.__name__ in ENDLESS and what != "jvp":
        with pytest.raises(so.Unsupported):
            simulated(what, function, arguments(make), 1, 1)
        return
    out, expected, beyond = simulated(what, function, arguments(make), 3, 2)
    np.testing.assert_allclose(out, expected, rtol=1e-12, atol=1e-12)
    assert np.isnan(beyond).all()


@pytest.mark.parametrize(("problems", "threads"), [(0, 32), (1, 32), (32, 32), (33, 32), (5, 1)])
def test_tails_and_empty_batches(problems, threads):
    function, make, _ = PROGRAMS[NAMES.index("kalman_filter")]
    out, expected, _ = simulated("grad", function, arguments(make), problems, threads)
    assert bits(out.ravel()) == bits(expected.ravel())


def test_a_lane_of_nan_leaves_the_others_alone():
    def guarded(x):
        assert x[0] < 1.002, "too large"
        return np.sum(np.sin(x) ** 2)

    derivative, made = kernel("grad", guarded, 0)
    points = np.array([[1.0, 2.0], [np.nan, 1.0], [1.5, 1.0], [0.5, 1.0]])
    out = np.zeros((4, 2))
    memory = np.zeros((4, max(1, derivative.n_workspace(points[0]))))
    cuda.jit(made)[1, 4](points, points, out, memory)
    assert np.isnan(out).all(axis=1).tolist() == [False, True, True, False]
    for k in (0, 3):
        assert bits(out[k]) == bits(so.grad(guarded)(points[k]))


# ------------------------------------------------------------------------------------------------ solvers in batches


def scaled_rosenbrock(x, a, c):
    """Rosenbrock's function with another valley for each problem; for cuda.jit, with exact derivatives."""
    return a[0] * (x[1] - x[0] * x[0]) ** 2 + (c - x[0]) ** 2


def batch_of(B):
    """(starts, args) with a lane of nan and one at its minimum."""
    X = np.array([-1.2, 1.0]) + 0.2 * np.random.default_rng(1).standard_normal((B, 2))
    a = np.geomspace(1.0, 100.0, max(B, 1)).reshape(-1, 1)[:B]
    if B > 2:
        X[1], X[2] = np.nan, 1.0
    return X, (a, 1.0)


@pytest.mark.parametrize("method", so.METHODS)
def test_each_lane_is_the_cpus_problem_with_the_same_status(method):
    X, args = batch_of(4)
    options = {"gtol": 1e-6, "maxiter": 25}
    here = so.minimize_batch(scaled_rosenbrock, X, args, method, options=options, device="cuda")
    there = so.minimize_batch(scaled_rosenbrock, X, args, method, options=options)
    assert here.backend == "cuda"
    assert here.status.tolist() == there.status.tolist()
    assert {0, 3} <= set(here.status.tolist())
    for name in ("x", "fun", "jac", "optimality"):
        np.testing.assert_allclose(here[name], there[name], rtol=1e-12, atol=1e-12)
    for name in ("nit", "nfev", "njev", "nhev", "nrestart", "nskip"):
        assert here[name].tolist() == there[name].tolist()


@pytest.mark.parametrize("B", [0, 1, 63, 65])
def test_tails_and_chunks_of_a_batch(monkeypatch, B):
    from secondorder.backends import cuda_batch as backend

    monkeypatch.setattr(backend, "LANES", 48)
    X, args = batch_of(B)
    here = so.minimize_batch(
        scaled_rosenbrock, X, args, "bfgs", options={"maxiter": 3}, batched=(True, False), device="cuda"
    )
    there = so.minimize_batch(scaled_rosenbrock, X, args, "bfgs", options={"maxiter": 3}, batched=(True, False))
    assert here.status.tolist() == there.status.tolist()
    np.testing.assert_array_equal(here.x, there.x)


def test_an_objective_and_args_of_two_axes():
    def bowl(x, g, A):
        g[0], g[1] = 2.0 * A[0, 0] * x[0], 2.0 * (x[1] - A[1, 1])
        return A[0, 0] * x[0] ** 2 + (x[1] - A[1, 1]) ** 2

    A = np.random.default_rng(0).uniform(1.0, 2.0, (3, 2, 2))
    found = so.minimize_batch(so.Objective(bowl), np.ones((3, 2)), (A,), "l-bfgs", device="cuda")
    np.testing.assert_allclose(found.x, np.stack((np.zeros(3), A[:, 1, 1]), axis=1), atol=1e-6)


def on_device(array):
    """The array where the kernels are."""
    return cuda.to_device(array)


@pytest.mark.parametrize("X_there", [False, True])
@pytest.mark.parametrize("a_there", [False, True])
def test_arrays_on_the_device_are_taken_and_given_back(X_there, a_there):
    X, (a, c) = batch_of(5)
    of = scaled_rosenbrock, "bfgs"
    there = so.minimize_batch(of[0], X, (a, c), of[1])
    before = X.copy()
    X_given, a_given = on_device(X) if X_there else X, on_device(a) if a_there else a
    stream = cuda.stream()
    here = so.minimize_batch(of[0], X_given, (a_given, c), of[1], device="cuda", stream=stream)
    for name in ("x", "jac"):
        assert (type(here[name]) is np.ndarray) != X_there
        found = here[name].copy_to_host() if X_there else here[name]
        np.testing.assert_allclose(found, there[name], rtol=1e-12, atol=1e-12)
    assert here.status.tolist() == there.status.tolist()
    np.testing.assert_array_equal(X_given.copy_to_host() if X_there else X_given, before)


def test_starts_of_any_type_and_layout():
    X, args = batch_of(3)
    expected = so.minimize_batch(scaled_rosenbrock, X.astype(np.float32), args, "bfgs", device="cuda").x
    for given in (X.astype(np.float32), np.asfortranarray(X.astype(np.float32))):
        found = so.minimize_batch(scaled_rosenbrock, on_device(given), args, "bfgs", device="cuda").x.copy_to_host()
        assert found.dtype == np.float64
        np.testing.assert_array_equal(found, expected)


def shifted(x, g, A, b, number, flag):
    """sum((x - A[1] - b number)^2) for args of four kinds."""
    f = 0.0
    for i in range(x.shape[0]):
        r = x[i] - A[1, i] - b[i] * number
        g[i] = 2.0 * r if flag else r
        f += r * r
    return f


def test_args_of_every_kind_reach_their_problem(monkeypatch):
    from secondorder.backends import cuda_batch as backend

    monkeypatch.setattr(backend, "LANES", 32)
    B, n, random = 40, 3, np.random.default_rng(3)
    A, b = random.normal(size=(B, 2, n)).astype(np.float32), np.array([1, 2, 3])
    numbers = random.normal(size=B)
    found = so.minimize_batch(
        so.Objective(shifted), np.zeros((B, n)), (A, b, numbers, True), "cg",
        batched=(True, False, True, False), device="cuda",
    )  # fmt: skip
    np.testing.assert_allclose(found.x, A[:, 1] + numbers[:, None] * b, atol=1e-6)


def test_problems_that_end_in_different_ways():
    X, args = np.array([[-1.2, 1.0], [1.0, 1.0], [np.inf, 1.0], [0.99, 0.98]]), (np.array([1.0]), 1.0)
    given = dict(method="bfgs", options={"maxiter": 6}, batched=(False, False))
    here = so.minimize_batch(scaled_rosenbrock, X, args, device="cuda", **given)
    there = so.minimize_batch(scaled_rosenbrock, X, args, **given)
    assert here.status.tolist() == there.status.tolist()
    assert len(set(here.status.tolist())) == 3
    assert here.message == there.message


def test_a_batch_too_large_for_the_device_is_refused_before_it_runs(monkeypatch):
    from secondorder.backends import cuda_batch as backend

    X, args = batch_of(70)
    monkeypatch.setattr(backend, "free_memory", lambda: 1000)
    with pytest.raises(MemoryError, match="are free"):
        so.minimize_batch(scaled_rosenbrock, X, args, "bfgs", device="cuda")
    launches = []
    monkeypatch.setattr(backend, "free_memory", lambda: 60_000)
    monkeypatch.setattr(backend, "wait", launches.append)
    so.minimize_batch(scaled_rosenbrock, X, args, "bfgs", device="cuda", options={"maxiter": 1})
    assert len(launches) == 3


def test_auto_takes_the_device_for_many_problems_and_for_arrays_that_are_there(monkeypatch):
    from secondorder import places

    monkeypatch.setattr(places, "LEAST_ON_DEVICE", 5)
    X, args = batch_of(5)
    options = {"maxiter": 1}

    def backend(X, args, **given):
        return so.minimize_batch(scaled_rosenbrock, X, args, "bfgs", options=options, device="auto", **given).backend

    few = args[0][:4], 1.0
    assert backend(X, args) == backend(on_device(X[:4]), few) == "cuda"
    assert "cuda" not in (backend(X[:4], few), backend(X, args, workers=1))


def test_an_array_on_the_device_is_refused_by_the_cpu():
    X, args = batch_of(3)
    with pytest.raises(TypeError, match="X0 is an array on a GPU"):
        so.minimize_batch(scaled_rosenbrock, on_device(X), args)
    with pytest.raises(TypeError, match=r"args\[0\] is an array on a GPU"):
        so.minimize_batch(scaled_rosenbrock, X, (on_device(args[0]), 1.0))
    with pytest.raises(ValueError, match="stream"):
        so.minimize_batch(scaled_rosenbrock, X, args, stream=cuda.stream())
    with pytest.raises(TypeError, match="stream"):
        so.minimize_batch(scaled_rosenbrock, X, args, stream="first", device="cuda")
    with pytest.raises(ValueError, match=r"must be \(B, n\)"):
        so.minimize_batch(scaled_rosenbrock, on_device(X[0]), (1.0, 1.0), device="cuda")
    with pytest.raises(ValueError, match="contiguous"):
        so.minimize_batch(
            scaled_rosenbrock, X, (on_device(np.ones((3, 4)))[:, ::2], 1.0), batched=(True, False), device="cuda"
        )


# ------------------------------------------------------------------------------------------------------- certificates


def wells(x, a):
    """Two wells in x_0, with a saddle between them at 0; flat along x_1 where a is 0."""
    return (x[0] ** 2 - 1.0) ** 2 + a * x[1] ** 2


@pytest.mark.parametrize("X_there", [False, True])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_points_of_the_device_have_the_certificates_of_the_cpu(X_there, dtype):
    X = np.array([[0.0, 0.5], [0.7, 0.5], [np.nan, 0.0], [1.3, 0.2], [0.0, 0.0]])
    args = (np.array([1.0, 2.0, 1.0, 0.0, 1.0]).astype(dtype),)
    given = dict(method="bfgs", batched=(True,), second_order="certify", options={"maxiter": 30})
    there = so.minimize_batch(wells, X, args, **given)
    at = (on_device(X), (on_device(args[0]),)) if X_there else (X, args)
    here = so.minimize_batch(wells, *at, device="cuda", dtype=dtype, **given)
    assert here.certificate.verdict.tolist() == ["saddle", "minimum", "", "degenerate", "saddle"]
    assert here.certificate.verdict.tolist() == there.certificate.verdict.tolist()
    assert here.status.tolist() == there.status.tolist()
    assert here.nescape.tolist() == there.nescape.tolist() == [0] * 5
    assert here.certificate.index.tolist() == there.certificate.index.tolist()
    rtol = 1e-6 if dtype == "float64" else 1e-2
    for name in ("lambda_min", "norm"):
        np.testing.assert_allclose(
            getattr(here.certificate, name), getattr(there.certificate, name), rtol=rtol, atol=1e-9
        )
    one = here.problem(0)
    assert (one.certificate.verdict, one.reason) == ("saddle", there.problem(0).reason)
    np.testing.assert_allclose(np.abs(one.certificate.direction), [1.0, 0.0], atol=1e-6)
    assert here.problem(2).certificate is None


@pytest.mark.parametrize("second_order", [True, "escape", "look"])
def test_a_device_leaves_no_saddles(second_order):
    X, args = batch_of(2)
    with pytest.raises(ValueError, match="second_order"):
        so.minimize_batch(scaled_rosenbrock, X, args, batched=(True, False), device="cuda", second_order=second_order)
