r"""Lanczos: the extreme eigenvalues of a symmetric matrix H from products with it.

From v_1 = start / |start|, with full reorthogonalisation:

    1.  w = H v_j;   alpha_j = v_j'w;   w <- w - alpha_j v_j - beta_{j-1} v_{j-1}            ([1] algorithm 10.1.1)
    2.  w <- w - V V'w, once more where that left less than half of w                        ([2] section 6.9)
    3.  beta_j = |w|; where it is at rounding level, v_1..v_j span an invariant subspace: stop
    4.  now and then: the eigenvalues theta_i of T_j, tridiagonal with alpha beside beta, and the last components s_i of
        its unit eigenvectors. The residual of the Ritz pair is |H y_i - theta_i y_i| = beta_j |s_i|: an eigenvalue of H
        lies within that of theta_i. Stop when it is <= rtol |H| for all pairs that are wanted ([1] section 10.1.4)
    5.  v_{j+1} = w / beta_j

|H| is the largest |H v_j| so far, so rtol has no units. From a random start each extreme eigenvalue is found with
probability one, to within eps |H| after some ln(n) / sqrt(eps) steps ([3]); from a start that is orthogonal
to its eigenvector, never in theory: don't start from a unit vector or a gradient. Of an eigenvalue that repeats one
vector is found, that in the direction of the start.

`locked` rows of V, orthonormal, are left out: the iteration runs in their orthogonal complement.

Cost of step j: a product and 4 n j multiplications. Memory: `memory_size`, and steps + 1 vectors of length n.

References
----------
[1] Golub, Van Loan. Matrix Computations, 4th ed. Johns Hopkins, 2013. Section 10.1.
[2] Parlett. The Symmetric Eigenvalue Problem. SIAM, 1998. Chapter 13.
[3] Kuczynski, Wozniakowski. Estimating the largest eigenvalue by the power and Lanczos algorithms with a random start.
    SIAM J. Matrix Anal. Appl. 13 (1992) 1094-1122. doi:10.1137/0613066
"""

import math
from typing import NamedTuple

from secondorder.control import product, stopped
from secondorder.jit import f8, intp, leaf, loop, reshaped, tuple_type
from secondorder.krylov.ends import CONVERGED, INVARIANT, MAX_STEPS, NOT_FINITE, STOPPED
from secondorder.linalg.eigen import implicit_ql, sort_ascending, tridiagonal_eigen
from secondorder.linalg.vectors import axpy, axpy_dot, copy, dot, scale
from secondorder.precision import roundings

BREAKDOWN = roundings(64.0)  # beta at or below this, relative to |H|, is rounding


class Ritz(NamedTuple):
    """What `lanczos` found; theta and the errors of all pairs are in its memory."""

    end: int  # of krylov.ends
    steps: int  # products made; dimension of the subspace
    smallest: float  # Ritz values, nan if there are none
    largest: float
    smallest_error: float  # |H y - theta y| of their unit vectors: how far the next eigenvalue is, at most
    largest_error: float
    norm: float  # max |H v| / |v| over all products: at most |H|, and close to it


RITZ = tuple_type(intp, intp, f8, f8, f8, f8, f8)  # what entries return for it


def memory_size(steps):
    """Length of `memory` for up to so many steps."""
    return steps * (steps + 4)


@leaf
def orthogonalize(V, rows, w):
    """w <- w less its components along the first rows of V, one after the other; each pass over w does half of two."""
    if rows == 0:
        return
    component = dot(V[0], w)
    for i in range(1, rows):
        component = axpy_dot(-component, V[i - 1], w, V[i])
    axpy(-component, V[rows - 1], w, w)


@loop
def lanczos_step(hvp, x, V, j, previous, control, data):
    """Row j + 1 of V <- H v_j, made orthogonal to rows 0..j; previous: beta of the step before. (alpha, beta, |H v_j|)

    The row has length beta; the caller divides by it.
    """
    v, w = V[j], V[j + 1]
    product(hvp, x, v, w, control, data)
    size = math.sqrt(dot(w, w))
    alpha = dot(v, w)
    axpy(-alpha, v, w, w)
    if previous != 0.0:
        axpy(-previous, V[j - 1], w, w)
    before = math.sqrt(dot(w, w))
    orthogonalize(V, j + 1, w)
    beta = math.sqrt(dot(w, w))
    if not beta > 0.5 * before:
        orthogonalize(V, j + 1, w)
        beta = math.sqrt(dot(w, w))
    return alpha, beta, size


@leaf
def wanted_error(alpha, beta, steps, n_smallest, n_largest, d, e, last):
    """The largest residual of the pairs that are wanted; inf if there are fewer. d, e, last (steps,) are scratch."""
    if steps < n_smallest or steps < n_largest:
        return math.inf
    copy(alpha[:steps], d)
    copy(beta[:steps], e)
    for i in range(steps):
        last[i] = 0.0
    last[steps - 1] = 1.0
    components = reshaped(last, (steps, 1))
    if not implicit_ql(d, e, components):
        return math.inf
    sort_ascending(d, components)
    top = 0.0
    for i in range(steps):
        if i < n_smallest or i >= steps - n_largest:
            top = max(top, beta[steps - 1] * abs(last[i]))
    return top


@loop
def lanczos(hvp, x, V, locked, n_smallest, n_largest, rtol, memory, control, data):
    """Ritz pairs of H(x): so many smallest and largest to within rtol |H|, from at most V.shape[0] - 1 - locked steps.

    V (rows, n): its first `locked` rows are orthonormal and left out, the next is the start, of any length; all others
    are scratch. On return the basis is in the rows from `locked` on. memory (memory_size(V.shape[0] - 1 - locked),) is
    scratch; afterwards `ritz_values`, `ritz_errors` and `ritz_vector` read from it.
    """
    most = V.shape[0] - 1 - locked
    alpha, beta = memory[:most], memory[most : 2 * most]
    start = V[locked]
    orthogonalize(V, locked, start)
    orthogonalize(V, locked, start)
    size = math.sqrt(dot(start, start))
    if not (size > 0.0 and math.isfinite(size)):
        return Ritz(NOT_FINITE, 0, math.nan, math.nan, math.nan, math.nan, math.nan)
    scale(1.0 / size, start, start)

    end, norm, steps, next_look, previous = MAX_STEPS, 0.0, 0, 1, 0.0
    while steps < most:
        a, b, size = lanczos_step(hvp, x, V, locked + steps, previous, control, data)
        if not (math.isfinite(a) and math.isfinite(b)):
            end = NOT_FINITE
            break
        norm = max(norm, size)
        alpha[steps], beta[steps], previous = a, b, b
        steps += 1
        if not b > BREAKDOWN * norm:  # non-strict: H = 0 stops here
            end = INVARIANT
            break
        if steps >= next_look or steps == most:
            next_look = steps + 1 + steps // 8  # a look costs steps^2
            scratch = memory[2 * most :]
            d, e, last = scratch[:steps], scratch[steps : 2 * steps], scratch[2 * steps : 3 * steps]
            if wanted_error(alpha, beta, steps, n_smallest, n_largest, d, e, last) <= rtol * norm:
                end = CONVERGED
                break
        if stopped(control):
            end = STOPPED
            break
        scale(1.0 / b, V[locked + steps], V[locked + steps])
    return ritz_pairs(end, steps, norm, most, memory)


@leaf
def ritz_pairs(end, steps, norm, most, memory):
    """All Ritz values and errors in place of alpha and beta; the eigenvectors of T behind them."""
    if steps == 0:
        return Ritz(end, 0, math.nan, math.nan, math.nan, math.nan, norm)
    theta, errors = memory[:steps], memory[most : most + steps]
    beta, e = errors[steps - 1], memory[2 * most : 2 * most + steps]
    copy(errors, e)
    vectors = reshaped(memory[4 * most : 4 * most + steps * steps], (steps, steps))
    if not tridiagonal_eigen(theta, e, vectors):
        end = NOT_FINITE
    for i in range(steps):
        errors[i] = beta * abs(vectors[i, steps - 1])
    return Ritz(end, steps, theta[0], theta[steps - 1], errors[0], errors[steps - 1], norm)


@leaf
def ritz_values(memory, most, steps):
    """View: the Ritz values, ascending. most: V.shape[0] - 1 - locked."""
    return memory[:steps]


@leaf
def ritz_errors(memory, most, steps):
    """View: |H y - theta y| of each."""
    return memory[most : most + steps]


@leaf
def ritz_vector(V, locked, memory, most, steps, k, out):
    """out <- the unit Ritz vector of value k."""
    s = memory[4 * most + k * steps : 4 * most + (k + 1) * steps]
    scale(s[0], V[locked], out)
    for i in range(1, steps):
        axpy(s[i], V[locked + i], out, out)
    scale(1.0 / math.sqrt(dot(out, out)), out, out)
