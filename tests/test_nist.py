"""NIST's certified fits: their parameters to 6 digits, from both starts."""

import numpy as np
import pytest

from secondorder import least_squares
from tests.nist.problems import DATA, PROBLEMS

pytestmark = pytest.mark.timeout(120)

STARTS = [(name, k) for name in PROBLEMS for k in (0, 1)]

# What a method need not find, with the reason: Levenberg-Marquardt finds all.
ELSEWHERE = {
    ("dogleg", "MGH17", 0): "one exponential falls away at once: a higher minimum",
    ("dogleg", "MGH09", 0): "x tends to infinity, where the cost has a higher limit",
}


def solve(name, k, method, **given):
    columns, y = DATA[name]
    problem = PROBLEMS[name]
    return least_squares(problem.residual, problem.starts[k], args=(*columns, y), method=method, **given)


def digits(name, x):
    """The least number of correct digits of a parameter, as NIST counts them."""
    certified = np.array(PROBLEMS[name].b)
    return -np.log10(np.max(np.abs(x - certified) / np.abs(certified)))


@pytest.mark.parametrize("name", [name for name in PROBLEMS if name != "Lanczos1"])
def test_the_table_is_right(name):
    # of Lanczos1 eleven digits of the parameters are too few to have one of the sum
    columns, y = DATA[name]
    r = PROBLEMS[name].residual(np.array(PROBLEMS[name].b), *columns, y)
    assert np.sum(r**2) == pytest.approx(PROBLEMS[name].square_sum, rel=3e-10)


@pytest.mark.parametrize(("name", "k"), STARTS)
def test_levenberg_marquardt_finds_six_certified_digits(name, k):
    result = solve(name, k, "levenberg-marquardt")
    assert result.status == 0, result.message
    assert (result.derivatives, result.backend) == ("exact", "compiled")
    assert digits(name, result.x) >= 6.0
    if name != "Lanczos1":
        assert 2.0 * result.cost == pytest.approx(PROBLEMS[name].square_sum, rel=1e-9)


@pytest.mark.parametrize(("name", "k"), STARTS)
def test_dogleg_finds_six_certified_digits_but_for_those_in_the_table(name, k):
    result = solve(name, k, "dogleg")
    assert result.status == 0, result.message
    assert (digits(name, result.x) < 6.0) == (("dogleg", name, k) in ELSEWHERE)


@pytest.mark.parametrize(("name", "k"), [("Gauss1", 0), ("Chwirut1", 1), ("Kirby2", 0), ("Thurber", 1), ("ENSO", 0)])
def test_conjugate_gradients_find_them_without_a_matrix(name, k):
    result = solve(name, k, "gauss-newton-cg", options={"grtol": 1e-13})
    assert digits(name, result.x) >= 6.0
    assert "covariance" not in result


@pytest.mark.parametrize("name", ["Misra1a", "Hahn1", "ENSO", "Rat43"])
def test_standard_errors_are_the_certified_ones(name):
    certified = {
        "Misra1a": (2.7070075241, 7.2668688436e-6),
        "Hahn1": (1.7070154742e-1, 1.2000289189e-2, 2.2508314937e-4, 2.7578037666e-7, 2.4712888219e-4,
                  1.0449373768e-5, 1.3027335327e-8),
        "ENSO": (1.7488832467e-1, 2.4310052139e-1, 2.4354686618e-1, 9.4408025976e-1, 2.8078369611e-1,
                 4.8073701119e-1, 4.1612939130e-1, 5.1460022911e-1, 2.5434468893e-1),
        "Rat43": (1.6302297817e1, 2.0828735829, 1.9566123451e-1, 6.8761936385e-1),
    }  # fmt: skip
    errors = np.sqrt(np.diag(solve(name, 1, None).covariance))
    assert np.allclose(errors, certified[name], rtol=1e-6)
