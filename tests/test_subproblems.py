"""Steps within a radius and of cubic models: at least the Cauchy decrease, and the optimality of their exact twins.

On definite, indefinite, singular and zero matrices, with g in general position and in the hard case.
"""

import numpy as np
import pytest

from secondorder.jit import f8, intp, matrix, tuple_type, vector
from secondorder.subproblems import (
    definite,
    dogleg,
    gltr,
    limited_sr1,
    more_sorensen,
    secular,
    spectrum,
    subspace,
    tridiagonal,
)
from secondorder.subproblems.preconditioner import NONE, n_pairs_memory, preconditioner_in
from secondorder.subproblems.steihaug import N_PATH, path_in, truncated_cg, walk
from tests.entries import entry
from tests.krylov.products import Product, control_at, hvp_at
from tests.krylov.products import entry as product_entry
from tests.linalg.matrices import dirty, with_spectrum
from tests.naive import subproblems as naive

pytestmark = pytest.mark.timeout(240)

SPECTRA = {
    "definite": lambda n: np.linspace(1.0, 5.0, n),
    "ill conditioned": lambda n: np.geomspace(1e-6, 1.0, n),
    "indefinite": lambda n: np.linspace(-2.0, 3.0, n),
    "negative": lambda n: -np.geomspace(1e-3, 1.0, n),
    "singular": lambda n: np.append(np.zeros(n - n // 2), np.linspace(1.0, 2.0, n // 2)),
    "repeated lowest": lambda n: np.sort(np.append(-np.ones(n - n // 2), np.linspace(0.5, 2.0, n // 2))),
    "zero": np.zeros,
}
SIZES = [1, 2, 3, 5, 9]
RADII = [1e-3, 0.3, 2.0, 50.0]


def problem(name, n, hard):
    """(H, g); hard: g is orthogonal to the eigenvectors of the lowest eigenvalue."""
    w = SPECTRA[name](n)
    H = with_spectrum(w, n + 7)
    values, V = np.linalg.eigh(H)
    c = np.random.default_rng(n).standard_normal(n)
    if hard:
        c[values - values[0] <= 1e-9 * max(1.0, np.max(abs(values)))] = 0.0
    return H, V @ c


EVERY = [
    pytest.param(name, n, hard, id=f"{name}-{n}{'-hard' if hard else ''}")
    for name in SPECTRA
    for n in SIZES
    for hard in (False, True)
    if not hard or np.any(problem(name, n, True)[1])
]
every = pytest.mark.parametrize(("name", "n", "hard"), EVERY)


# --------------------------------------------------------------------------------------- the steps, each as f(H, g, ..)


def _spectral(V, g, size, is_cubic, s, w, c, y):
    spectrum.decompose(V, w, y)
    spectrum.to_coordinates(V, g, c)
    pred, length = secular.cubic(w, c, size, y) if is_cubic > 0 else secular.within_radius(w, c, size, y)
    spectrum.from_coordinates(V, y, s)
    return pred, length


def _tridiagonal(H, A, g, delta, is_definite, rows, s):
    t = tridiagonal.form_in(A, rows)
    size = tridiagonal.form(H, g, t)
    return tridiagonal.at_radius(t, size, delta, is_definite > 0, s) if size > 0.0 else (0.0, 0.0)


def _more_sorensen(H, L, g, delta, s, z, scratch):
    step = more_sorensen.step_within(H, L, g, delta, 0.0, s, z, scratch)
    return step.pred, step.length


def _dogleg(H, L, g, delta, double, n, s):
    tau = definite.newton_step(H, L, g, 0.0, n)
    plane = dogleg.plane_of(H, g, n, tau)
    step = dogleg.dogleg(plane, delta, double > 0)
    for i in range(s.shape[0]):
        s[i] = step.a * g[i] + (step.b * n[i] if step.b != 0.0 else 0.0)
    return step.pred, step.length


def _subspace(H, L, g, delta, memory, Q, n, s, z, scratch):
    tau = definite.newton_step(H, L, g, 0.0, n)
    gnorm = np.sqrt(spectrum.dot(g, g))
    for i in range(g.shape[0]):
        Q[0, i] = g[i] / gnorm
    k = 1
    if tau >= 0.0:
        k = subspace.extend(Q, k, n)
    if tau > 0.0:
        more_sorensen.nearly_null(L, 4, z, scratch)
        k = subspace.extend(Q, k, z)
    subspace.restrict(H, Q, k, memory, scratch, gnorm)
    pred, length = subspace.minimize_within(Q, k, memory, delta, s)
    return pred, length, tau, k


def _shift(H, L, guess):
    return definite.definite_shift(H, L, guess)


pair = tuple_type(f8, f8)
_spectral = entry(_spectral, pair, matrix, vector, f8, intp, vector, vector, vector, vector)
_tridiagonal = entry(_tridiagonal, pair, matrix, matrix, vector, f8, intp, matrix, vector)
_more_sorensen = entry(_more_sorensen, pair, matrix, matrix, vector, f8, vector, vector, vector)
_dogleg = entry(_dogleg, pair, matrix, matrix, vector, f8, intp, vector, vector)
_subspace = entry(
    _subspace,
    tuple_type(f8, f8, f8, intp),
    *(matrix, matrix, vector, f8, vector, matrix, vector, vector, vector, vector),
)
_shift = entry(_shift, f8, matrix, matrix, f8)


def by_eigenvectors(H, g, delta):
    n, s = len(g), dirty(len(g))
    return s, *_spectral(H.copy(), g, delta, 0, s, dirty(n), dirty(n), dirty(n))


def cubic_by_eigenvectors(H, g, sigma):
    n, s = len(g), dirty(len(g))
    return s, *_spectral(H.copy(), g, sigma, 1, s, dirty(n), dirty(n), dirty(n))


def by_tridiagonal_form(H, g, delta):
    """None where the form says nothing: inside the radius, and close to the hard case."""
    n, s = len(g), dirty(len(g))
    longer = np.linalg.eigvalsh(H)[0] > 0.0 and np.linalg.norm(np.linalg.solve(H, g)) > delta
    pred, length = _tridiagonal(H, dirty(n, n), g, delta, int(longer), dirty(tridiagonal.N_FORM, n), s)
    return (s, pred, length) if pred > 0.0 else None


def by_more_sorensen(H, g, delta):
    n, s = len(g), dirty(len(g))
    return s, *_more_sorensen(H, dirty(n, n), g, delta, s, dirty(n), dirty(n))


def by_dogleg(H, g, delta, double=0):
    n, s = len(g), dirty(len(g))
    return s, *_dogleg(H, dirty(n, n), g, delta, double, dirty(n), s)


def by_double_dogleg(H, g, delta):
    return by_dogleg(H, g, delta, 1)


def in_subspace(H, g, delta, whole=False):
    n, s, Q = len(g), dirty(len(g)), dirty(subspace.MOST, len(g))
    pred, length, _, k = _subspace(
        H, dirty(n, n), g, delta, dirty(subspace.N_SMALL), Q, dirty(n), s, dirty(n), dirty(n)
    )
    return (s, Q[:k]) if whole else (s, pred, length)


def _gltr(hvp, data, control, x, g, gnorm, delta, sigma, memory, Q, s, later):
    control, pair = control_at(control), (data, 0)
    t = gltr.tridiagonal_in(memory, Q.shape[0] - 1)
    gltr.first_vector(hvp_at(hvp), x, g, gnorm, Q, t, control, pair)
    step = gltr.minimize_model(hvp_at(hvp), x, gnorm, delta, sigma, 1e-14, 0.0, Q, t, control, pair)
    if later > 0.0:
        step = gltr.minimize_tridiagonal(t, step.k, gnorm, later, 0.0, step.lam)
    gltr.expand(Q, t, step.k, s)
    return step.pred, step.length


def _steihaug(hvp, data, control, x, g, delta, eta, D, memory, rows, few, r, y, hp, s, later):
    P = preconditioner_in(NONE, rows, few)
    path = path_in(memory, D.shape[0])
    k = truncated_cg(hvp_at(hvp), x, g, delta, eta, 0.0, P, D, path, r, y, hp, control_at(control), (data, 0))
    return walk(path, k, D, later, s)


_gltr = product_entry(_gltr, pair, vector, vector, f8, f8, f8, vector, matrix, vector, f8)
_steihaug = product_entry(
    _steihaug,
    pair,
    *(vector, vector, f8, f8, matrix, vector, matrix, vector, vector, vector, vector, vector, f8),
)


def by_gltr(H, g, delta, sigma=0.0, later=0.0):
    n, s = len(g), dirty(len(g))
    memory, Q = dirty(gltr.n_tridiagonal(n)), dirty(n + 1, n)
    product = Product(H)  # owns what its arguments are the addresses of
    found = _gltr(*product.arguments, np.zeros(n), g, np.linalg.norm(g), delta, sigma, memory, Q, s, later)
    return s, *found


def cubic_by_gltr(H, g, sigma):
    return by_gltr(H, g, 0.0, sigma)


def by_steihaug(H, g, delta, later=None, product=None):
    n, s = len(g), dirty(len(g))
    product = product or Product(H)
    found = _steihaug(
        *product.arguments,
        *(np.zeros(n), g, delta, 1e-10, dirty(2 * n, n), dirty(N_PATH * 2 * n), dirty(2, n)),
        *(dirty(n_pairs_memory(1)), dirty(n), dirty(n), dirty(n), s, delta if later is None else later),
    )
    return s, *found


ALL = {
    "eigenvectors": by_eigenvectors,
    "more-sorensen": by_more_sorensen,
    "dogleg": by_dogleg,
    "double dogleg": by_double_dogleg,
    "subspace": in_subspace,
    "gltr": by_gltr,
    "steihaug": by_steihaug,
}
within = pytest.mark.parametrize("solver", ALL)


# ---------------------------------------------------------------------------------------------------------- promises


@within
@every
def test_each_step_has_the_cauchy_decrease_and_says_its_own(solver, name, n, hard):
    H, g = problem(name, n, hard)
    gnorm, size = np.linalg.norm(g), np.linalg.norm(H, 2)
    for delta in RADII:
        s, pred, length = ALL[solver](H, g, delta)
        decrease, scale = -naive.model(H, g, s), gnorm * delta
        assert np.linalg.norm(s) <= delta * (1.1 + 1e-9 if solver == "more-sorensen" else 1 + 1e-8)
        assert abs(length - np.linalg.norm(s)) <= 1e-8 * delta
        assert abs(pred - decrease) <= 1e-8 * max(decrease, 1e-6 * scale)
        slack = 0.8 if solver == "more-sorensen" else 1 - 1e-9  # kappa_easy, kappa_hard
        assert decrease >= slack * 0.5 * gnorm * min(delta, gnorm / size if size > 0.0 else np.inf)


@every
def test_exact_steps_are_exact(name, n, hard):
    H, g = problem(name, n, hard)
    for delta in RADII:
        best = naive.model(H, g, naive.within_radius(H, g, delta))
        s, _, _ = by_eigenvectors(H, g, delta)
        assert naive.model(H, g, s) <= best * (1 - 1e-9)
        s, _, _ = by_more_sorensen(H, g, delta)
        assert naive.model(H, g, s) <= 0.8 * best  # kappa_easy, kappa_hard
        if not hard:  # a Krylov space never meets what is orthogonal to g
            s, _, _ = by_gltr(H, g, delta)
            assert naive.model(H, g, s) <= best * (1 - 1e-7)


@every
def test_steps_from_the_tridiagonal_form_are_exact_or_not_there(name, n, hard):
    H, g = problem(name, n, hard)
    before, w = H.copy(), np.linalg.eigvalsh(H)
    for delta in RADII:
        found = by_tridiagonal_form(H, g, delta)
        best = naive.within_radius(H, g, delta)
        inside = np.linalg.norm(best) < delta * (1 - 1e-9)
        lam = -(g @ best + best @ H @ best) / (best @ best)  # its multiplier
        clear = w[0] + lam > 1e-3 * max(abs(w)) > 0.0 and (lam > 1e-6 or w[0] > 0.0)
        if inside or found is None:
            assert found is None and (inside or not clear)
            continue
        s, pred, length = found
        assert abs(np.linalg.norm(s) - delta) <= 1e-11 * delta and abs(length - delta) <= 1e-11 * delta
        assert abs(pred + naive.model(H, g, s)) <= 1e-9 * pred
        assert naive.model(H, g, s) <= naive.model(H, g, best) * (1 - 1e-9)
    assert np.array_equal(H, before)


@every
def test_exact_cubic_steps_are_exact(name, n, hard):
    H, g = problem(name, n, hard)
    for sigma in (1e-3, 0.5, 100.0):
        best = naive.model(H, g, naive.cubic(H, g, sigma), sigma)
        for solver in (cubic_by_eigenvectors, *(() if hard else (cubic_by_gltr,))):
            s, pred, length = solver(H, g, sigma)
            value = naive.model(H, g, s, sigma)
            assert value <= best * (1 - 1e-7)
            assert abs(pred + value) <= 1e-7 * abs(value)
            assert abs(length - np.linalg.norm(s)) <= 1e-8 * length


@pytest.mark.parametrize("sigma", [1e-14, 1e-17, 1e-40, 1e-100])
def test_a_cubic_term_that_is_lost_in_rounding_leaves_the_newton_step(sigma):
    H, g = problem("definite", 5, False)
    newton = -np.linalg.solve(H, g)
    for solver in (cubic_by_eigenvectors, cubic_by_gltr):
        s, pred, length = solver(H, g, sigma)
        assert np.allclose(s, newton, rtol=0.0, atol=1e-6 * np.linalg.norm(newton))
        assert pred == pytest.approx(-0.5 * g @ newton, rel=1e-6) and length == pytest.approx(np.linalg.norm(newton))


@every
def test_a_step_in_a_subspace_is_the_best_there(name, n, hard):
    H, g = problem(name, n, hard)
    for delta in RADII:
        s, Q = in_subspace(H, g, delta, whole=True)
        assert np.allclose(Q @ Q.T, np.eye(len(Q)), atol=1e-12)
        assert np.allclose(Q.T @ (Q @ s), s, atol=1e-10 * delta)
        small = Q @ H @ Q.T
        best = naive.model(small, Q @ g, naive.within_radius(small, Q @ g, delta))
        value = naive.model(H, g, s)
        assert value <= best * (1 - 1e-7)
        assert value <= naive.model(H, g, by_dogleg(H, g, delta)[0]) * (1 - 1e-7)


@every
def test_the_shift_makes_definite_and_not_much_more(name, n, hard):
    H, _ = problem(name, n, hard)
    w = np.linalg.eigvalsh(H)
    size = np.max(np.sum(abs(H), axis=1))
    for guess in (0.0, 0.7 * max(-w[0], 0.0), 3.0 * max(-w[0], 0.0)):
        tau = _shift(H, dirty(n, n), guess)
        if size == 0.0:
            assert np.isnan(tau)
        elif w[0] < -1e-6 * size:
            assert -w[0] * (1 - 1e-9) <= tau <= -2.0 * w[0] * (1 + 1e-9)
        else:
            assert tau <= 2.0**-24 * size + 2.0 * max(-w[0], 0.0)


@pytest.mark.parametrize("later", [0.9, 0.4, 0.05])
@every
def test_a_smaller_radius_on_the_path_that_is_there_is_a_run_of_its_own(name, n, hard, later):
    H, g = problem(name, n, hard)
    product = Product(H)
    replayed, pred, length = by_steihaug(H, g, 2.0, later * 2.0, product)
    fresh, fresh_pred, fresh_length = by_steihaug(H, g, later * 2.0)
    assert np.array_equal(replayed, fresh)
    assert (pred, length) == (fresh_pred, fresh_length)
    assert product.count <= 2 * n


@pytest.mark.parametrize("later", [0.9, 0.4, 0.05])
@pytest.mark.parametrize("name", SPECTRA)
def test_a_smaller_radius_in_the_krylov_space_that_is_there_is_the_exact_step(name, later):
    H, g = problem(name, 5, False)
    s, _, _ = by_gltr(H, g, 2.0, later=2.0 * later)
    best = naive.model(H, g, naive.within_radius(H, g, 2.0 * later))
    assert naive.model(H, g, s) <= best * (1 - 1e-7)


# ---------------------------------------------------------------------------------------------- rank-one matrices


def _limited(rows, memory, m, S, G, g, delta, skip, r, s):
    B = limited_sr1.matrix_in(rows, memory, m)
    limited_sr1.forget(B)
    for j in range(S.shape[0]):
        limited_sr1.remember(B, S[j], G[j], G[j + 1])
    limited_sr1.build(B, skip, r)
    k = limited_sr1.decompose(B, g)
    pred, length = limited_sr1.step_within(B, k, delta, s)
    return pred, length, limited_sr1.scale_of(B)


_limited = entry(
    _limited,
    tuple_type(f8, f8, f8),
    *(matrix, vector, intp, matrix, matrix, vector, f8, f8, vector, vector),
)


@pytest.mark.parametrize("name", ["definite", "indefinite", "negative", "singular"])
@pytest.mark.parametrize(("n", "m", "steps"), [(2, 1, 3), (3, 5, 4), (9, 4, 7), (9, 12, 12), (30, 5, 8)])
def test_steps_with_the_rank_one_matrix_of_some_pairs_are_exact(name, n, m, steps):
    H, g = problem(name, n, False)
    random = np.random.default_rng(m)
    S = random.standard_normal((steps, n))
    G = np.vstack([g, g + np.cumsum(S @ H + 0.1 * random.standard_normal((steps, n)), axis=0)])
    for delta in RADII:
        s = dirty(n)
        pred, length, gamma = _limited(
            dirty(3 * m + 1, n), dirty(limited_sr1.n_matrix_memory(m)), m, S, G, g, delta, 1e-8, dirty(n), s
        )
        B = gamma * np.eye(n)
        for j in range(max(0, steps - m), steps):
            r = G[j + 1] - G[j] - B @ S[j]
            if abs(S[j] @ r) >= 1e-8 * np.linalg.norm(S[j]) * np.linalg.norm(r) > 0.0:
                B = B + np.outer(r, r) / (S[j] @ r)
        best = naive.model(B, g, naive.within_radius(B, g, delta))
        assert naive.model(B, g, s) <= best * (1 - 1e-6)
        assert abs(pred + naive.model(B, g, s)) <= 1e-6 * pred
        assert abs(length - np.linalg.norm(s)) <= 1e-8 * delta
