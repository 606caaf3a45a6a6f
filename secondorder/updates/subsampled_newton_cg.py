r"""An epoch of sub-sampled Newton-CG with overlapping batches, compiled end to end.

The batches S_1, S_2, ... of an epoch share rows: O_k, the last `overlap` rows of S_k, are also in S_k+1. For each:

    1.  f, g = value and gradient on S_k at x
    2.  d ~ -(H_O + shift I)^{-1} g, H_O the Hessian on O_k: conjugate gradients from 0, until |r| <= eta |g| or m
        products are made; where a curvature is not positive, d is what was reached, or -g at the first step
    3.  alpha = lr, lr / 2, ...: the first of max_trials with f_S(x + alpha d) <= f_S(x) + c1 alpha g'd, on S_k still;
        x <- x + alpha d. If there is none, x stays

Products are made on fewer rows than gradients because they are made often and need less accuracy [1]. Their rows are
those of the overlap [2]: a step is the answer to two batches, so curvature is taken where both have a say. Function,
gradient and trials of a step are on the same rows, or the decrease would be a difference of samples. overlap = 0 means
no common rows, and products on the whole batch.

Cost of a step: f and g on a batch, m products at most on `overlap` rows, f and g on a batch for each trial (of a mean
over rows the generated gradient costs little beside f). Memory: 6 vectors of length n.

References
----------
[1] Byrd, Chin, Neveitt, Nocedal. On the use of stochastic Hessian information in optimization methods for machine
    learning. SIAM J. Optim. 21 (2011) 977-995. doi:10.1137/10079923X
[2] Berahas, Nocedal, Takac. A multi-batch L-BFGS method for machine learning. NIPS 2016. arXiv:1605.06049
"""

import math
from typing import NamedTuple

from secondorder.control import STOP
from secondorder.jit import (
    FUN_GRAD,
    HVP,
    Reference,
    f8,
    function_at,
    integers,
    intp,
    loader,
    loop,
    matrix,
    namedtuple_type,
    reference_at,
    tuple_type,
    vector,
)
from secondorder.linalg.vectors import axpby, axpy, copy, dot, norm_inf, scale
from secondorder.status import NOT_FINITE_STEP, RUNNING
from secondorder.updates.epochs import LAST, LIMIT, OVERLAP, SEED, SIZE, K, look, note, shuffle
from secondorder.updates.schedules import N_WARM_UP, SCHEDULE, warmed_up

NAME = "newton-cg"
N_WORK = 6
C1 = 1e-4  # sufficient decrease, as in the line searches


class Options(NamedTuple):
    """Options of sub-sampled Newton-CG."""

    lr: float = 1.0  # the first alpha of a step, >= 0: Newton's
    m: int = 10  # most products of a step, >= 1
    eta: float = 0.1  # relative residual that ends them, in [0, 1/4): a sample's curvature is known no better
    shift: float = 0.0  # added to the Hessian's diagonal, >= 0: for samples smaller than n
    max_trials: int = 20  # of the line search, >= 1


OPTIONS = Reference(namedtuple_type(Options))
options_at = reference_at(OPTIONS)
_one_vector_at, _schedule_at = loader(tuple_type(vector)), function_at(SCHEDULE)
_fun_grad_at, _hvp_at = function_at(FUN_GRAD), function_at(HVP)

# (fun_grad, hvp, schedule, parameters, options, x, g, work, memory, losses, order, batch, counts, numbers, address)
NEWTON_EPOCH = f8(
    *(intp, intp, intp, intp, intp, vector, vector, matrix, vector, vector),
    *(integers, integers, integers, integers, intp),
)


@loop
def take_overlapping_batch(order, start, count, overlap, batch):
    """batch <- the rows from start on, those of the overlap first: its first numbers are then a batch of these."""
    batch[0] = count
    for i in range(overlap):
        batch[1 + i] = order[start + count - overlap + i]
    for i in range(count - overlap):
        batch[1 + overlap + i] = order[start + i]


@loop
def direction(hvp, x, g, options, d, r, p, h, counts, address):
    """d <- CG's approximation of -(H + shift I)^{-1} g."""
    for i in range(x.shape[0]):
        d[i], r[i], p[i] = 0.0, -g[i], -g[i]
    rr = dot(r, r)
    target = options.eta * options.eta * rr
    for k in range(options.m):
        if not rr > target or counts[STOP] != RUNNING:
            return
        _hvp_at(hvp)(x, p, h, (address, 0))
        look(counts)
        if options.shift > 0.0:
            axpy(options.shift, p, h, h)
        php = dot(p, h)
        if not php > 0.0 or not php < math.inf:
            if k == 0:
                scale(-1.0, g, d)
            return
        alpha = rr / php
        axpy(alpha, p, d, d)
        axpy(-alpha, h, r, r)
        before, rr = rr, dot(r, r)
        axpby(1.0, r, rr / before, p, p)


@loop
def search(fun_grad, x, f, slope, d, alpha, max_trials, xt, gt, counts, address):
    """x <- x + alpha d for the first alpha that lowers f enough; x stays if there is none."""
    for _ in range(max_trials):
        if counts[STOP] != RUNNING:
            return
        axpy(alpha, d, x, xt)
        ft = _fun_grad_at(fun_grad)(xt, gt, (address, 0))
        look(counts)
        if ft <= f + C1 * alpha * slope:
            copy(xt, x)
            return
        alpha *= 0.5


def newton_epoch(
    fun_grad, hvp, schedule, parameters, options, x, g, work, memory, losses, order, batch, counts, numbers, address
):
    """Steps on all batches of an epoch; x is changed in place. Returns the mean of f over its steps.

    losses: as in `epochs.epoch`.
    """
    d, r, p, h, xt, gt = work[0], work[1], work[2], work[3], work[4], work[5]
    o, (rates,) = options_at(options), _one_vector_at(parameters)
    total, seen, start, overlap = 0.0, 0, 0, numbers[OVERLAP]
    if numbers[SEED] >= 0:
        shuffle(order, numbers[SEED])
    # an epoch ends with its last new row
    while (start == 0 or start + overlap < numbers[LIMIT]) and numbers[K] < numbers[LAST] and counts[STOP] == RUNNING:
        count = min(numbers[SIZE], numbers[LIMIT] - start)
        sample = min(overlap, count)
        take_overlapping_batch(order, start, count, sample, batch)
        f = _fun_grad_at(fun_grad)(x, g, (address, 0))
        look(counts)
        total += f * count
        seen += count
        start += numbers[SIZE] - overlap
        note(f, numbers[K], losses)
        if not math.isfinite(f + norm_inf(g)):
            counts[STOP] = NOT_FINITE_STEP
            break
        late, factor = warmed_up(numbers[K], rates[0], rates[1])
        lr = factor * _schedule_at(schedule)(late, f, rates[N_WARM_UP:], memory)
        batch[0] = sample if sample > 0 else count
        direction(hvp, x, g, o, d, r, p, h, counts, address)
        batch[0] = count
        search(fun_grad, x, f, dot(g, d), d, lr, o.max_trials, xt, gt, counts, address)
        numbers[K] += 1
    return total / seen if seen > 0 else math.nan
