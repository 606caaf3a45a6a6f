"""What may be given to minimize: every form of x0, args, values and gradients; and what is said about a wrong one.

An error names the argument, its value, the rule and the way out.
"""

import functools
import sys
import warnings

import numpy as np
import pytest
from numba import njit
from scipy.optimize import Bounds

import secondorder as so
from secondorder import METHODS, Objective, minimize
from secondorder.backends import serial
from secondorder.line_searches import LINE_SEARCHES
from secondorder.options import FUNCTIONS, SELECTORS, RunOptions, known_names
from tests.objectives import made_once

pytestmark = pytest.mark.timeout(120)

MINIMIZER = np.array([1.0, 2.0, 3.0])


@njit
def sphere(x):
    f = 0.0
    for i in range(x.shape[0]):
        f += (x[i] - i - 1.0) * (x[i] - i - 1.0)
    return f


@njit
def sphere_gradient(x):
    g = np.empty(x.shape[0])
    for i in range(x.shape[0]):
        g[i] = 2.0 * (x[i] - i - 1.0)
    return g


def solve(x0, method="bfgs", backend="auto", **options):
    return minimize(sphere, x0, method=method, jac=sphere_gradient, backend=backend, options=options)


def read_only(x):
    x.flags.writeable = False
    return x


def unaligned(x):
    raw = np.zeros(x.nbytes + 1, np.uint8)
    out = raw[1:].view(np.float64)
    out[:] = x
    assert not out.flags.aligned
    return out


# ------------------------------------------------------------------------------------------------------------- x0

FORMS = {
    "float64": lambda x: x,
    "float32": lambda x: x.astype(np.float32),
    "float16": lambda x: x.astype(np.float16),
    "int64": lambda x: x.astype(np.int64),
    "int8": lambda x: x.astype(np.int8),
    "unsigned": lambda x: x.astype(np.uint32),
    "longdouble": lambda x: x.astype(np.longdouble),
    "big-endian": lambda x: x.astype(">f8"),
    "big-endian int": lambda x: x.astype(">i4"),
    "every second": lambda x: np.repeat(x, 2)[::2],
    "backwards": lambda x: x[::-1].copy()[::-1],
    "column": lambda x: np.column_stack([x, x])[:, 0],
    "read-only": read_only,
    "unaligned": unaligned,
    "object": lambda x: x.astype(object),
    "list": list,
    "tuple": tuple,
    "list of int": lambda x: [int(v) for v in x],
    "matrix row": lambda x: np.asarray(np.asmatrix(x))[0],
    "masked": np.ma.array,
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_x0_gives_the_same_result_and_is_left_as_it_was(method, backend, form):
    x = np.array([5.0, 7.0, 4.0])
    expected = solve(x, method, backend)
    x0 = FORMS[form](x.copy())
    before = np.array(x0, dtype=object)
    result = solve(x0, method, backend)
    assert np.array_equal(np.array(x0, dtype=object), before)
    assert result.x.dtype == np.float64
    assert result.x.dtype.isnative
    assert result.x.flags.c_contiguous
    assert result.x.flags.writeable
    assert np.array_equal(result.x, expected.x)
    assert result.success


def test_the_result_never_shares_memory_with_x0(method, backend):
    x0 = MINIMIZER.copy()
    result = solve(x0, method, backend)
    assert result.nit == 0
    assert not np.shares_memory(result.x, x0)


@pytest.mark.parametrize("x0", [4.0, 4, np.float32(4), np.array(4.0)], ids=["float", "int", "float32", "0-d array"])
def test_a_scalar_counts_as_one_variable(method, backend, x0):
    result = solve(x0, method, backend)
    assert result.x.shape == (1,)
    assert result.success
    assert np.allclose(result.x, 1.0)


def test_no_variables_at_all_are_converged(method, backend):
    result = solve(np.zeros(0), method, backend)
    assert (result.status, result.nit, result.x.shape, result.jac.shape) == (0, 0, (0,), (0,))
    assert result.fun == 0.0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_start_that_is_not_finite_is_status_3_not_an_exception(method, backend, bad):
    result = solve([bad, 0.0, 0.0], method, backend)
    assert (result.status, result.nit, result.nfev) == (3, 0, 1)
    assert np.array_equal(result.x, [bad, 0.0, 0.0], equal_nan=True)


@pytest.mark.parametrize(
    ("x0", "kind", "words"),
    [
        (np.zeros((3, 1)), ValueError, ["x0", "(3, 1)", "(n,)", "ravel"]),
        (np.zeros((2, 2)), ValueError, ["x0", "(2, 2)", "(n,)"]),
        ([[1.0, 2.0]], ValueError, ["x0", "(1, 2)"]),
        (np.zeros((1, 1, 1)), ValueError, ["x0", "(1, 1, 1)"]),
        (np.array([1j, 2.0]), TypeError, ["x0", "complex", "real"]),
        ([1.0, 2j], TypeError, ["x0", "real"]),
        (["a", "b"], TypeError, ["x0", "real", "'a'"]),
        ("abc", TypeError, ["x0", "real", "'abc'"]),
        (None, TypeError, ["x0", "real", "None"]),
        ([1.0, None], TypeError, ["x0", "real", "None"]),
        ([[1.0], [1.0, 2.0]], TypeError, ["x0", "real"]),
        (object, TypeError, ["x0", "real"]),
        ({"a": 1.0}, TypeError, ["x0", "real"]),
        (np.array(["2020-01-01"], "datetime64[D]"), TypeError, ["x0", "real"]),
        (np.array([3], "timedelta64[s]"), TypeError, ["x0", "real"]),
        (np.ma.masked_invalid([1.0, np.nan]), TypeError, ["x0", "masked", "filled"]),
    ],
    ids=str,
)
def test_what_is_no_vector_of_real_numbers_is_refused(x0, kind, words):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(kind) as caught:
            solve(x0)
    for word in words:
        assert word in str(caught.value)


# -------------------------------------------------------------------------------------------- names and options


@pytest.mark.parametrize(
    ("given", "kind", "words"),
    [
        ({"method": "bfsg"}, ValueError, ["method='bfsg'", "did you mean 'bfgs'", "Known", "l-bfgs"]),
        ({"method": "newtown"}, ValueError, ["method='newtown'", "did you mean 'newton'", "Known"]),
        ({"method": 7}, TypeError, ["method", "7"]),
        ({"jac": "2-pint"}, ValueError, ["jac='2-pint'", "did you mean '2-point'", "cs"]),
        ({"jac": 3.0}, TypeError, ["jac", "3.0", "callable"]),
        ({"hess": 3.0}, TypeError, ["hess", "3.0", "callable"]),
        ({"hessp": [1]}, TypeError, ["hessp", "[1]", "callable"]),
        ({"fun": 3.0}, TypeError, ["fun", "3.0", "callable"]),
        ({"fun": None}, TypeError, ["fun", "None", "callable"]),
        ({"callback": 3.0}, TypeError, ["callback", "3.0", "callable"]),
        ({"backend": "cuda"}, ValueError, ["backend='cuda'", "'auto'", "'numba'", "'python'"]),
        ({"bounds": [(0, 1)] * 3}, ValueError, ["bounds", "not supported", "scipy.optimize"]),
        ({"bounds": [(None, None), (None, 1)]}, ValueError, ["bounds", "not supported"]),
        ({"bounds": Bounds([-np.inf, 0.0], np.inf)}, ValueError, ["bounds", "not supported"]),
        ({"bounds": [(np.nan, None)]}, ValueError, ["bounds", "not supported"]),
        ({"bounds": 3}, ValueError, ["bounds", "not supported"]),
        ({"bounds": [(None, None)], "constraints": {"type": "eq"}}, ValueError, ["constraints", "not supported"]),
        ({"constraints": {"type": "eq"}}, ValueError, ["constraints", "not supported"]),
        ({"options": "gtol"}, TypeError, ["options", "dict", "'gtol'"]),
        ({"options": {"gtoll": 1e-8}}, ValueError, ["'gtoll'", "'bfgs'", "did you mean 'gtol'", "Known", "maxiter"]),
        ({"options": {"line_serch": "armijo"}}, ValueError, ["'line_serch'", "did you mean 'line_search'"]),
        ({"options": {"line_search": "hager-zang"}}, ValueError, ["line_search='hager-zang'", "mean 'hager-zhang'"]),
        ({"options": {"initial_step": "units"}}, ValueError, ["initial_step='units'", "did you mean 'unit'"]),
        ({"options": {"strict": True}}, ValueError, ["'strict'"]),
        ({"options": {"initial": 3}}, ValueError, ["'initial'"]),
        ({"options": {"qqq": 3}}, ValueError, ["'qqq'", "Known"]),
        ({"options": {3: 3}}, ValueError, ["3", "Known"]),
        ({"method": "cg", "options": {"beta": "frr"}}, ValueError, ["beta='frr'", "did you mean 'fr'"]),
        ({"options": {"gtol": -1.0}}, ValueError, ["gtol=-1.0", "at least 0"]),
        ({"options": {"gtol": np.nan}}, ValueError, ["gtol=nan", "not nan"]),
        ({"options": {"gtol": "small"}}, TypeError, ["gtol='small'", "a number"]),
        ({"options": {"gtol": 1j}}, TypeError, ["gtol=1j", "a number"]),
        ({"tol": -1.0}, ValueError, ["tol=-1.0", "at least 0"]),
        ({"tol": "small"}, TypeError, ["tol='small'", "a number"]),
        ({"options": {"maxiter": -3}}, ValueError, ["maxiter=-3", "at least 0"]),
        ({"options": {"maxiter": 2.5}}, TypeError, ["maxiter=2.5", "whole"]),
        ({"options": {"maxiter": "many"}}, TypeError, ["maxiter='many'", "whole"]),
        ({"options": {"maxiter": np.inf}}, TypeError, ["maxiter=inf", "whole"]),
        ({"options": {"maxfev": 0}}, ValueError, ["maxfev=0", "at least 1"]),
        ({"options": {"time_limit": -1}}, ValueError, ["time_limit=-1", "at least 0"]),
        ({"options": {"c1": 0.95}}, ValueError, ["c1=0.95", "c2=0.9", "0 < c1 < c2 < 1"]),
        ({"options": {"c1": -1.0}}, ValueError, ["c1=-1.0"]),
        ({"options": {"c2": 1.5}}, ValueError, ["c2=1.5"]),
        ({"options": {"shrink_max": 1.0}}, ValueError, ["shrink_max=1.0", "[0, 1)"]),
        ({"options": {"shrink_min": 0.6}}, ValueError, ["shrink_min=0.6", "shrink_max=0.5"]),
        ({"options": {"expand": 1.0}}, ValueError, ["expand=1.0", "greater than 1"]),
        ({"options": {"window": 21}}, ValueError, ["window=21", "at most 20"]),
        ({"options": {"alpha": 0.0}}, ValueError, ["alpha=0.0", "positive"]),
        ({"options": {"alpha_max": -1.0}}, ValueError, ["alpha_max=-1.0", "positive"]),
        ({"method": "l-bfgs", "options": {"m": 0}}, ValueError, ["m=0", "at least 1"]),
        ({"method": "cg", "options": {"theta": 0.2}}, ValueError, ["theta=0.2", "1/4"]),
        ({"method": "cg", "options": {"beta": 17}}, ValueError, ["beta=17"]),
        ({"options": {"on_error": "ignore"}}, ValueError, ["on_error='ignore'", "'raise'", "'return'"]),
        ({"options": {"history": "yes"}}, TypeError, ["history='yes'", "True or False"]),
        ({"options": {"line_search": 3}}, TypeError, ["line_search", "3", "search("]),
        ({"options": {"initial_step": 3.5}}, ValueError, ["initial_step", "3.5"]),
        ({"options": {"initial_step": 77}}, ValueError, ["initial_step", "77"]),
    ],
    ids=str,
)
def test_a_wrong_argument_is_refused_by_name_value_and_rule(given, kind, words):
    arguments = {"fun": sphere, "x0": np.zeros(3), "method": "bfgs", "jac": sphere_gradient} | given
    with pytest.raises(kind) as caught:
        minimize(**arguments)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    "bounds",
    [[(None, None)] * 3, [(-np.inf, np.inf)] * 3, [(None, np.inf)] * 3, Bounds(), Bounds([-np.inf] * 3)],
    ids=str,
)
def test_bounds_that_bound_nothing_change_nothing(bounds):
    free = minimize(sphere, np.ones(3), jac=sphere_gradient)
    given = minimize(sphere, np.ones(3), jac=sphere_gradient, bounds=bounds)
    assert given.success and np.array_equal(given.x, free.x) and given.nfev == free.nfev


def test_a_wrong_argument_is_refused_before_anything_is_evaluated(method):
    def never(x):
        raise AssertionError("evaluated")

    for given in ({"options": {"gtoll": 1}}, {"options": {"gtol": -1}}, {"bounds": [(0, 1)]}, {"jac": "none"}):
        with pytest.raises(ValueError):
            minimize(never, np.zeros(3), method=method, backend="python", **given)


@pytest.mark.parametrize("name", ["BFGS", "bfgs", "Bfgs", "CG", "cg", "L-BFGS-B", "l-bfgs-b", "L_BFGS", "lbfgs", None])
def test_methods_go_by_scipys_names_in_any_case(name):
    assert solve(np.zeros(3), name).success


def test_a_method_may_be_given_as_its_module(method):
    by_name, by_module = solve(np.zeros(3), method), solve(np.zeros(3), METHODS[method])
    assert np.array_equal(by_name.x, by_module.x)
    assert by_name.method == by_module.method == method


def test_scipys_options_are_understood(method):
    names = {"gtol": 1e-8, "maxiter": 50, "disp": False, "return_all": True}
    result = solve(np.zeros(3), method, **names)
    assert result.success
    assert len(result.history["fun"]) == result.nit + 1
    assert solve(np.zeros(3), "L-BFGS-B", maxcor=5, maxls=20, maxfun=500).success


def test_tol_is_gtol_unless_gtol_is_given(method):
    for given, threshold in (({"tol": 1e-3}, 1e-3), ({"tol": 1e-3, "options": {"gtol": 1e-5}}, 1e-5)):
        result = minimize(sphere, np.zeros(3), method=method, jac=sphere_gradient, **given)
        assert result.criteria[0]["threshold"] == threshold


def test_the_default_tolerance_is_relative_to_the_start_and_a_given_one_is_absolute(method):
    g0 = np.max(np.abs(sphere_gradient(np.zeros(3))))
    for options, threshold in (
        ({}, 2.0**-26 * g0),
        ({"gtol": 1e-4}, 1e-4),
        ({"grtol": 1e-4}, 1e-4 * g0),
        ({"gtol": 1e-3, "grtol": 1e-5}, 1e-3),
        ({"gtol": 1e-9, "grtol": 1e-5}, 1e-5 * g0),
    ):
        assert solve(np.zeros(3), method, **options).criteria[0]["threshold"] == threshold


def test_none_as_an_option_means_its_default(method):
    assert solve(np.zeros(3), method, gtol=None, maxiter=None).success


def test_options_are_left_as_they_were(method):
    options = {"gtol": 1e-6, "maxiter": 100}
    minimize(sphere, np.zeros(3), method=method, jac=sphere_gradient, options=options)
    assert options == {"gtol": 1e-6, "maxiter": 100}


def test_options_of_other_types_but_equal_value_are_not_mistaken_for_one_another(method):
    assert solve(np.zeros(3), method, maxiter=0).status == 1
    assert solve(np.zeros(3), method, maxiter=0.0).status == 1
    with pytest.raises(TypeError, match="history"):
        solve(np.zeros(3), method, history="yes")


def test_a_function_is_no_number(method):
    words = {*SELECTORS, *FUNCTIONS, *(name for name, kind in RunOptions.__annotations__.items() if kind is str)}
    for name in set(known_names(METHODS[method])) - words:
        with pytest.raises((TypeError, ValueError), match=f"option {name}=<built-in function abs> must be"):
            solve(np.zeros(3), method, **{name: abs})


def test_a_function_is_no_number_of_an_update_rule_but_its_learning_rate():
    assert so.Adam(abs).schedule.name != "constant"
    with pytest.raises(TypeError, match="option beta1=<built-in function abs> must be a number"):
        so.Adam(beta1=abs)
    rows = so.FiniteSum(lambda x, row: (x[0] - row[0]) ** 2, np.ones((4, 1)))
    with pytest.raises(TypeError, match="option m=<built-in function abs> must be a whole number"):
        so.fit(rows, np.zeros(1), "newton-cg", options={"m": abs})


@pytest.mark.parametrize("search", LINE_SEARCHES)
def test_every_search_goes_with_every_method(searching_method, search):
    options = {"line_search": search} | ({"initial_step": "constant", "alpha": 0.1} if search == "fixed" else {})
    result = minimize(sphere, np.zeros(3), method=searching_method, jac=sphere_gradient, options=options)
    assert result.success, result.message
    assert np.allclose(result.x, MINIMIZER)


# ------------------------------------------------------------------------------------------ what functions return


# Functions are made once, so that what is compiled for them is compiled once for all methods.
njit_once = functools.cache(njit)


@functools.cache
def returning(make):
    """fun(x) -> make(f), and its gradient."""

    def fun(x):
        f = 0.0
        for i in range(x.shape[0]):
            f += (x[i] - i - 1.0) * (x[i] - i - 1.0)
        return make(f)

    return fun


def one_array(f):
    return np.full(1, f)


def one_by_one(f):
    return np.full((1, 1), f)


def number(f):
    return f


def single(f):
    return np.float32(f)


def two_array(f):
    return np.full(2, f)


def imaginary(f):
    return f + 1.0j


def nothing(f):
    return None


def whole(f):
    return int(f)


@pytest.mark.parametrize("form", [one_array, one_by_one, number, single], ids=lambda f: f.__name__)
def test_one_real_number_in_any_form_is_a_value(method, backend, form):
    make = njit_once(form) if backend == "numba" else form
    result = minimize(returning(make), np.zeros(3), method=method, jac=sphere_gradient, backend=backend)
    assert result.success
    assert type(result.fun) is float
    assert np.allclose(result.x, MINIMIZER)


@pytest.mark.parametrize("value", [True, 3, np.int32(3), np.float64(3), np.array(3), np.array([3]), np.array([[3.0]])])
def test_a_python_function_may_return_any_one_real_number(method, value):
    result = minimize(lambda x: value, np.zeros(3), method=method, jac=lambda x: np.zeros(3), backend="python")
    assert result.success
    assert result.fun == np.asarray(value).item()


def test_a_compiled_function_may_return_a_whole_number(method):
    result = minimize(returning(njit_once(whole)), MINIMIZER, method=method, jac=sphere_gradient)
    assert (result.status, result.fun, result.backend) == (0, 0.0, "compiled")


@pytest.mark.parametrize(
    ("value", "kind", "words"),
    [
        (None, TypeError, ["fun", "real number", "None"]),
        (1j, TypeError, ["fun", "real number", "1j"]),
        (np.complex128(2j), TypeError, ["fun", "real number"]),
        ("abc", TypeError, ["fun", "real number", "'abc'"]),
        (np.zeros(2), ValueError, ["fun", "one number", "(2,)"]),
        (np.zeros(0), ValueError, ["fun", "one number", "(0,)"]),
        ([1.0, 2.0], ValueError, ["fun", "one number", "(2,)"]),
        ((1.0, np.zeros(3)), ValueError, ["fun", "jac=True"]),
    ],
    ids=str,
)
def test_a_python_function_that_returns_no_real_number_is_told_so(value, kind, words):
    with pytest.raises(kind) as caught:
        minimize(lambda x: value, np.zeros(3), method="bfgs", jac=sphere_gradient, backend="python")
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("form", [imaginary, nothing], ids=lambda f: f.__name__)
def test_a_compiled_function_that_returns_no_real_number_is_told_so(form):
    fun = njit(returning(njit(form)))
    with pytest.raises(TypeError, match="real number"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        minimize(fun, np.zeros(3), method="bfgs", jac=sphere_gradient)


def test_a_compiled_function_that_returns_two_numbers_is_told_so():
    with pytest.raises(ValueError, match="one number"):
        minimize(returning(njit(two_array)), np.zeros(3), method="bfgs", jac=sphere_gradient, backend="numba")


# ---------------------------------------------------------------------------------------------------- gradients


def gradient_of_length(extra):
    def gradient(x):
        return np.zeros(x.shape[0] + extra)

    return gradient


@pytest.mark.parametrize("extra", [-1, 1, 2])
def test_a_gradient_of_the_wrong_length_is_refused(method, backend, extra):
    with pytest.raises(ValueError, match="jac") as caught:
        minimize(sphere, np.zeros(3), method=method, jac=gradient_of_length(extra), backend=backend)
    if backend == "python":
        assert "(3,)" in str(caught.value)
        assert f"({3 + extra},)" in str(caught.value)


SHAPES = {
    "column": lambda x: np.zeros((3, 1)),
    "row": lambda x: np.zeros((1, 3)),
    "one": lambda x: np.zeros(1),
    "number": lambda x: 1.0,
    "none": lambda x: None,
    "ragged": lambda x: [1.0, [2.0], 3.0],
    "words": lambda x: ["a", "b", "c"],
    "complex": lambda x: np.zeros(3, complex),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_python_gradient_that_is_no_vector_like_x_is_refused(method, shape):
    with pytest.raises((ValueError, TypeError), match="jac"):
        minimize(sphere.py_func, np.zeros(3), method=method, jac=SHAPES[shape], backend="python")


@pytest.mark.parametrize("shape", ["column", "row", "complex"])
def test_a_compiled_gradient_that_is_no_vector_like_x_is_refused(shape):
    jac = {"column": lambda x: np.zeros((3, 1)), "row": lambda x: np.zeros((1, 3)), "complex": lambda x: x + 1j}[shape]
    with pytest.raises((ValueError, TypeError), match="jac"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        minimize(sphere, np.zeros(3), method="bfgs", jac=njit(jac))


@pytest.mark.parametrize(
    "form",
    [
        lambda g: g.tolist(),
        lambda g: tuple(g.tolist()),
        lambda g: g.astype(np.float32),
        lambda g: g.astype(">f8"),
        lambda g: np.repeat(g, 2)[::2],
        lambda g: g.astype(object),
    ],
    ids=["list", "tuple", "float32", "big-endian", "strided", "object"],
)
def test_a_python_gradient_may_have_any_form_of_a_vector(method, form):
    result = minimize(
        sphere.py_func, np.zeros(3), method=method, jac=lambda x: form(sphere_gradient(x)), backend="python"
    )
    assert result.success
    assert np.allclose(result.x, MINIMIZER, atol=1e-5)


@njit
def tuple_gradient(x):
    return 2.0 * (x[0] - 1.0), 2.0 * (x[1] - 2.0), 2.0 * (x[2] - 3.0)


@njit
def list_gradient(x):
    return [2.0 * (x[0] - 1.0), 2.0 * (x[1] - 2.0), 2.0 * (x[2] - 3.0)]


@njit
def single_gradient(x):
    return sphere_gradient(x).astype(np.float32)


@njit
def strided_gradient(x):
    return np.repeat(sphere_gradient(x), 2)[::2]


@pytest.mark.parametrize("gradient", [tuple_gradient, list_gradient, single_gradient, strided_gradient])
def test_a_compiled_gradient_may_have_any_form_of_a_vector(gradient):
    result = minimize(sphere, np.zeros(3), method="bfgs", jac=gradient)
    assert (result.status, result.backend) == (0, "compiled")
    assert np.allclose(result.x, MINIMIZER, atol=1e-5)


@functools.cache
def overrun(extra):
    def fun_grad(x, g):
        f = 0.0
        for i in range(x.shape[0]):
            f += (x[i] - i - 1.0) * (x[i] - i - 1.0)
            g[i] = 2.0 * (x[i] - i - 1.0)
        for i in range(extra):
            g[x.shape[0] + i] = 1.0
        return f

    return fun_grad


@pytest.mark.parametrize("n", [2, 3, 10])
@pytest.mark.parametrize("extra", [1, 2])
def test_a_compiled_gradient_that_writes_past_its_end_is_refused(method, extra, n):
    with pytest.raises(ValueError, match="past the end") as caught:
        minimize(made_once(overrun(extra)), np.zeros(n), method=method)
    assert str(n) in str(caught.value)


def distances(x, A):
    s = 0.0
    for i in range(A.shape[0]):
        for j in range(A.shape[1]):
            s += (x[j] - A[i, j]) ** 2
    return s


def test_a_start_that_is_too_short_for_a_loop_is_refused():
    """Captured: the generated gradient adds 2 (x - a) to what stands behind it, which a guard of -6e23 swallowed."""
    for name in ("l-bfgs", "newton-cg", "adam"):
        with pytest.raises(ValueError, match="past the end of x, which has length 2: does fun take more"):
            minimize(distances, np.zeros(2), np.ones((20, 3)), method=name)


def test_a_python_gradient_that_writes_past_its_end_is_an_index_error(method):
    with pytest.raises(IndexError):
        minimize(Objective(overrun(1)), np.zeros(3), method=method, backend="python")


def lazy(x, g):
    return x[0] * x[0] + 1.0


def test_a_gradient_that_is_left_unwritten_is_not_taken_for_zero(method, backend):
    result = minimize(made_once(lazy), np.ones(3), method=method, backend=backend)
    assert not result.success


@pytest.mark.parametrize("with_fun", [True, False])
def test_an_objective_that_writes_in_place_gives_the_same_bits(method, backend, with_fun):
    given = {"fun": sphere.py_func} if with_fun else {}
    result = minimize(made_once(overrun(0), **given), np.zeros(3), method=method, backend=backend)
    expected = solve(np.zeros(3), method, backend)
    if METHODS[method].NEEDS == ("grad",):
        assert np.array_equal(result.x, expected.x)
    else:  # second derivatives come from differences of gradients there
        assert np.allclose(result.x, expected.x, atol=1e-8)
    assert result.derivatives == "given"


def pair(x):
    return sphere(x), sphere_gradient(x)


def test_value_and_gradient_in_one_call_give_the_same_bits(method, backend):
    result = minimize(pair, np.zeros(3), method=method, jac=True, backend=backend)
    expected = solve(np.zeros(3), method, backend)
    if METHODS[method].NEEDS == ("grad",):
        assert np.array_equal(result.x, expected.x)
    else:  # second derivatives come from differences of gradients there
        assert np.allclose(result.x, expected.x, atol=1e-8)


def quartic(x):
    return (x[0] - 1.0) ** 2 + (x[1] - 2.0) ** 2 * (x[0] + 2.0) ** 2


@pytest.mark.parametrize("jac", [None, False, "2-point", "3-point", "cs", "CS"])
def test_derivatives_are_made_where_none_are_given(method, backend, jac):
    result = minimize(quartic, [3.0, 1.5], method=method, jac=jac, backend=backend, options={"gtol": 1e-5})
    assert result.success
    assert np.allclose(result.x, [1.0, 2.0], atol=1e-4)
    assert result.fun == pytest.approx(quartic(result.x), rel=1e-14)  # compiled, the last bit may differ


def test_an_objective_brings_its_own_gradient():
    with pytest.raises(ValueError, match="jac was given beside an Objective"):
        minimize(Objective(overrun(0)), np.zeros(3), jac=sphere_gradient)


@pytest.mark.parametrize("name", ["fun_grad", "fun", "hvp", "hess"])
def test_an_objective_is_made_of_functions(name):
    with pytest.raises(TypeError, match=name):
        Objective(**({"fun_grad": overrun(0)} | {name: 3.0}))


def test_methods_partials_and_callable_objects_are_functions(method):
    class Model:
        def __init__(self, shift):
            self.shift = shift

        def value(self, x):
            return float(np.sum((x - self.shift) ** 2))

        def __call__(self, x):
            return self.value(x)

    def shifted(shift, x):
        return float(np.sum((x - shift) ** 2))

    for fun in (Model(2.0), Model(2.0).value, functools.partial(shifted, 2.0)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            result = minimize(fun, np.zeros(2), method=method)
        assert result.success
        assert np.allclose(result.x, 2.0, atol=1e-5)


# ---------------------------------------------------------------------------------------------------------- args


def scalar_args(x, a, b):
    return (x[0] - a) ** 2 + (x[1] - b) ** 2


def array_args(x, a):
    return (x[0] - a[0]) ** 2 + (x[1] - a[1]) ** 2


def matrix_args(x, a):
    return (x[0] - a[0, 0]) ** 2 + (x[1] - a[1, 0]) ** 2


def tuple_args(x, a):
    return (x[0] - a[0]) ** 2 + (x[1] - a[1]) ** 2


def nested_args(x, a, c):
    return c * (x[0] - a[0][0]) ** 2 + (x[1] - a[1][0][0]) ** 2


def bool_args(x, flag):
    return (x[0] - 5.0) ** 2 + (x[1] - 7.0) ** 2 if flag else x[0] ** 2 + x[1] ** 2


def complex_args(x, z):
    return (x[0] - z.real) ** 2 + (x[1] - z.imag) ** 2


def text_args(x, name):
    return (x[0] - 5.0) ** 2 + (x[1] - 7.0) ** 2 if name == "here" else x[0] ** 2 + x[1] ** 2


def function_args(x, shift):
    return (x[0] - shift(0)) ** 2 + (x[1] - shift(1)) ** 2


@njit
def shift(i):
    return 5.0 + 2.0 * i


ARGS = {
    "float": (scalar_args, (5.0, 7.0)),
    "int": (scalar_args, (5, 7)),
    "int and float": (scalar_args, (5, 7.0)),
    "numpy scalars": (scalar_args, (np.float32(5.0), np.int16(7))),
    "array": (array_args, (np.array([5.0, 7.0]),)),
    "int array": (array_args, (np.array([5, 7]),)),
    "float32 array": (array_args, (np.array([5.0, 7.0], np.float32),)),
    "strided array": (array_args, (np.array([5.0, 0.0, 7.0])[::2],)),
    "read-only array": (array_args, (read_only(np.array([5.0, 7.0])),)),
    "bool array": (array_args, (np.array([5.0, 7.0]) > 6.0,)),
    "C matrix": (matrix_args, (np.array([[5.0, 1.0, 1.0], [7.0, 1.0, 1.0]]),)),
    "F matrix": (matrix_args, (np.asfortranarray([[5.0, 1.0, 1.0], [7.0, 1.0, 1.0]]),)),
    "tuple": (tuple_args, ((5.0, 7.0),)),
    "mixed tuple": (tuple_args, ((5, 7.0),)),
    "nested tuple": (nested_args, ((np.array([5.0]), ((7, 1.0), np.zeros(3))), 3)),
    "bool": (bool_args, (True,)),
    "complex": (complex_args, (5.0 + 7.0j,)),
    "text": (text_args, ("here",)),
    "function": (function_args, (shift,)),
}


@pytest.mark.parametrize("name", ARGS)
def test_args_of_any_type_reach_the_objective_without_compiling_a_solver_anew(name, backend):
    minimize(scalar_args, np.zeros(2), (1.0, 2.0), "bfgs")
    caches = (serial.compiled_solver, serial.compiled_line_search, serial.compiled_entry)
    misses = [cache.cache_info().misses for cache in caches]
    fun, args = ARGS[name]
    result = minimize(fun, np.zeros(2), args, "bfgs", backend=backend)
    assert result.backend == {"numba": "compiled", "python": "python"}[backend]
    assert result.success
    here = [0.0, 1.0] if name == "bool array" else [5.0, 7.0]
    assert np.allclose(result.x, here, atol=1e-5)
    assert [cache.cache_info().misses for cache in caches] == misses


def test_args_that_are_no_tuple_are_one_argument(method, backend):
    a = np.array([5.0, 7.0])
    one, other = (minimize(array_args, np.zeros(2), args, method, backend=backend) for args in (a, (a,)))
    assert np.array_equal(one.x, other.x)


def test_new_values_of_the_same_types_are_seen(method, backend):
    for a, b in ((1.0, 2.0), (-3.0, 4.0), (0.5, 0.25)):
        result = minimize(scalar_args, np.zeros(2), (a, b), method, backend=backend)
        assert np.allclose(result.x, [a, b], atol=1e-6)


def test_args_are_the_callers_own_arrays_not_copies(backend):
    seen = np.zeros(1)

    def fun(x, seen):
        seen[0] += 1.0
        return (x[0] - 1.0) ** 2

    result = minimize(fun, np.zeros(1), (seen,), "bfgs", backend=backend)
    assert seen[0] == result.nfev


def test_args_are_given_back_after_the_call(backend):
    a = np.array([5.0, 7.0])
    minimize(array_args, np.zeros(2), (a,), "bfgs", backend=backend)
    before = sys.getrefcount(a)
    for _ in range(5):
        minimize(array_args, np.zeros(2), (a,), "bfgs", backend=backend)
    assert sys.getrefcount(a) == before


def test_args_that_numba_cannot_type_run_in_python():
    class Data:
        a, b = 5.0, 7.0

    def fun(x, data):
        return (x[0] - data.a) ** 2 + (x[1] - data.b) ** 2

    with pytest.warns(RuntimeWarning, match="running the objective in Python"):
        result = minimize(fun, np.zeros(2), (Data(),), "bfgs")
    assert (result.status, result.backend) == (0, "python")
    with pytest.raises(TypeError, match="backend='numba'"):
        minimize(fun, np.zeros(2), (Data(),), "bfgs", backend="numba")


def test_too_few_args_are_reported_as_such(backend):
    with pytest.raises(TypeError), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        minimize(scalar_args, np.zeros(2), (1.0,), "bfgs", backend=backend)


# --------------------------------------------------------------------------------------------- captured values

level = 3.0


def reads_a_global(x):
    return (x[0] - level) ** 2


def test_a_changed_global_is_seen(monkeypatch):
    assert np.allclose(minimize(reads_a_global, [0.0], method="bfgs").x, 3.0)
    monkeypatch.setitem(globals(), "level", -8.0)
    assert np.allclose(minimize(reads_a_global, [0.0], method="bfgs").x, -8.0)
    monkeypatch.setitem(globals(), "level", np.array([6.0]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert np.allclose(minimize(lambda x: (x[0] - level[0]) ** 2, [0.0], method="bfgs").x, 6.0)


def test_a_changed_closure_is_seen():
    where = 1.0

    def fun(x):
        return (x[0] - where) ** 2

    assert np.allclose(minimize(fun, [0.0], method="bfgs").x, 1.0)
    where = 2.0
    assert np.allclose(minimize(fun, [0.0], method="bfgs").x, 2.0)


def test_a_changed_element_of_a_captured_array_is_seen():
    where = np.array([1.0, 2.0])

    def fun(x):
        return (x[0] - where[0]) ** 2 + (x[1] - where[1]) ** 2

    assert np.allclose(minimize(fun, np.zeros(2), method="bfgs").x, [1.0, 2.0])
    where[1] = 9.0
    assert np.allclose(minimize(fun, np.zeros(2), method="bfgs").x, [1.0, 9.0])


def test_a_changed_value_behind_a_called_function_is_seen():
    where = 1.0

    def inner(x):
        return (x[0] - where) ** 2

    compiled = njit(inner)

    def fun(x):
        return compiled(x)

    assert np.allclose(minimize(fun, [0.0], method="bfgs").x, 1.0)


def test_a_changed_default_of_an_argument_is_seen():
    def make(where):
        def fun(x, where=where):
            return (x[0] - where) ** 2

        return fun

    for where in (1.0, 5.0):
        assert np.allclose(minimize(make(where), [0.0], method="bfgs").x, where)


def test_lambdas_in_a_loop_are_told_apart_by_what_they_capture():
    for where in (1.0, 2.0, 3.0, 1.0):
        result = minimize(lambda x: (x[0] - where) ** 2, [0.0], method="bfgs")  # noqa: B023
        assert np.allclose(result.x, where)


def test_a_large_captured_array_is_not_frozen_into_compiled_code():
    where = np.ones(20_000)

    def fun(x):
        return (x[0] - where[0]) ** 2 + (x[1] - where[-1]) ** 2

    with pytest.warns(RuntimeWarning, match="'where' of 160000 bytes.*pass it through args"):
        result = minimize(fun, np.zeros(2), method="bfgs")
    assert result.backend == "python"
    where[0] = 4.0
    assert np.allclose(minimize(fun, np.zeros(2), method="bfgs", backend="python").x, [4.0, 1.0])


# -------------------------------------------------------------------------------------------------- callbacks


def test_callbacks_of_any_kind_are_called(method, backend):
    class Watch:
        def __init__(self):
            self.seen = []

        def __call__(self, x):
            self.seen.append(x)

        def by_name(self, *, intermediate_result):
            self.seen.append(intermediate_result)

    positional, by_name, result_list = Watch(), Watch(), []
    for callback in (positional, by_name.by_name, result_list.append, functools.partial(result_list.append)):
        result = minimize(sphere, np.zeros(3), method=method, jac=sphere_gradient, callback=callback, backend=backend)
    assert len(positional.seen) == len(by_name.seen) == result.nit
    assert len(result_list) == 2 * result.nit
    assert np.array_equal(positional.seen[-1], result.x)
    assert np.array_equal(by_name.seen[-1].x, result.x)
    assert by_name.seen[-1].fun == result.fun
    assert [point.nit for point in by_name.seen] == list(range(1, result.nit + 1))
