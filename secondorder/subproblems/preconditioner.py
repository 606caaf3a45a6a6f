"""What conjugate gradients are preconditioned with: P ~ H^{-1}, symmetric positive definite.

NONE; a function of the user's; PAIRS, the L-BFGS matrix of the last m steps and gradient changes ([1]); or DIAGONAL,
the inverse of a diagonal D ~ diag H that learns from each product of conjugate gradients, as the diagonal of BFGS does
([2]):

    D_i <- D_i - (D_i p_i)^2 / p'Dp + (Hp)_i^2 / p'Hp

for a direction p with p'Hp > 0. D starts as p'Hp / p'p of the first direction, and is kept in units of the power of two
below that: lengths in its norm then are free of the units of f.

References
----------
[1] Morales, Nocedal. Automatic preconditioning by limited memory quasi-Newton updating. SIAM J. Optim. 10 (2000)
    1079-1096. doi:10.1137/S1052623497327854
[2] Gilbert, Lemarechal. Some numerical experiments with variable-storage quasi-Newton algorithms. Math. Prog. 45 (1989)
    407-435. doi:10.1007/BF01589113
"""

import math
from typing import NamedTuple

from secondorder.jit import call_product, inlined, leaf, loop
from secondorder.linalg.two_loop import two_loop
from secondorder.linalg.vectors import axpy, copy, distance2, divide, dot, fill, scale
from secondorder.precision import EPS, TwoPrecisions

NONE, PAIRS, DIAGONAL = 0, 1, 2
PRECONDITIONERS = {"none": NONE, "l-bfgs": PAIRS, "diagonal": DIAGONAL}
FLOOR = EPS  # an element of D falls at most by this factor at once
SKIP = TwoPrecisions(1e-8, 1e-4)  # a pair counts if s'y > SKIP |s| |y|: P has to be well conditioned


class Preconditioner(NamedTuple):
    """The kind of P and, for PAIRS, what it is made of: rows of `work`, views of `memory`."""

    kind: int  # NONE, PAIRS, DIAGONAL or the address of P(x, v, out, data): out <- P v
    S: object  # (m, n); DIAGONAL: S[0] is D,
    Y: object  # (m, n); and Y[0] the D that is to follow
    inv_sy: object  # (m,)
    a: object  # (m,) scratch
    state: object  # (3,): newest, number of pairs, gamma; DIAGONAL: 0 once D has learnt, 1 once it is used, its unit


@inlined
def preconditioner_in(kind, rows, memory):
    """The parts by name, without pairs; rows: S and Y."""
    m = rows.shape[0] // 2
    state = memory[2 * m : 2 * m + 3]
    state[0], state[1], state[2] = -1.0, 0.0, 1.0
    return Preconditioner(kind, rows[:m], rows[m:], memory[:m], memory[m : 2 * m], state)


def n_pairs_memory(m):
    """Length of memory for m pairs."""
    return 2 * m + 3


@loop
def precondition(P, x, v, out, data):
    """out <- P v."""
    if P.kind == NONE or (P.kind <= DIAGONAL and P.state[1] == 0.0):
        copy(v, out)
    elif P.kind == DIAGONAL:
        divide(v, P.S[0], out)
    elif P.kind == PAIRS:
        two_loop(P.S, P.Y, P.inv_sy, P.state[2], int(P.state[0]), int(P.state[1]), v, P.a, out)
        scale(-1.0, out, out)
    else:
        call_product(P.kind, x, v, out, data)


@leaf
def remember_pair(P, alpha, d, slope, g, gt):
    """The step alpha d changed the gradient from g to gt."""
    m = P.inv_sy.shape[0]
    if P.kind != PAIRS:
        return
    sy, ss, yy = alpha * (dot(gt, d) - slope), alpha * alpha * dot(d, d), distance2(gt, g)
    if not sy > SKIP * math.sqrt(ss) * math.sqrt(yy):
        return
    newest = (int(P.state[0]) + 1) % m
    P.state[0], P.state[1], P.state[2] = newest, min(P.state[1] + 1.0, float(m)), sy / yy
    P.inv_sy[newest] = 1.0 / sy
    scale(alpha, d, P.S[newest])
    axpy(-1.0, g, gt, P.Y[newest])


@leaf
def learn(P, p, hp, php):
    """DIAGONAL: what a product says, with php = p'Hp > 0. Goes into Y[0]: P stays as it is while a system is solved."""
    if P.kind != DIAGONAL:
        return
    D = P.Y[0]
    if P.state[0] < 0.0:  # the first product
        size = php / dot(p, p)
        _, exponent = math.frexp(size)
        P.state[0], P.state[2] = 0.0, math.ldexp(1.0, -exponent)
        fill(P.state[2] * size, D)
    learn_from(p, hp, weighted(p, D), php, P.state[2], D)


@leaf
def weighted(p, D):
    """p'Dp."""
    pdp = 0.0
    for i in range(p.shape[0]):
        pdp += p[i] * D[i] * p[i]
    return pdp


@inlined
def learnt(D, p, hp, pdp, php, unit):
    """An entry of D after a product."""
    dp = D * p
    d = D - dp / pdp * dp + unit * (hp / php * hp)
    return d if FLOOR * D < d < math.inf else D


@leaf
def learn_from(p, hp, pdp, php, unit, D):
    """D <- what a product says of it."""
    for i in range(p.shape[0]):
        D[i] = learnt(D[i], p[i], hp[i], pdp, php, unit)


@leaf
def renew(P, s):
    """DIAGONAL: what was learnt comes into force. Returns the factor by which |s|_M changes, and a radius is to."""
    if P.kind != DIAGONAL or P.state[0] < 0.0:
        return 1.0
    if P.state[1] == 0.0:
        fill(1.0, P.S[0])
    before, after = weighted(s, P.S[0]), weighted(s, P.Y[0])
    copy(P.Y[0], P.S[0])
    P.state[1] = 1.0
    ratio = math.sqrt(after / before)
    return ratio if 0.0 < ratio < math.inf else 1.0
