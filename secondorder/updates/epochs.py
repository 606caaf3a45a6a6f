"""An epoch of stochastic steps, compiled end to end: rows are shuffled, batches taken, an update makes a step of each.

The objective is a mean over rows, whose numbers it finds in an array of its arguments: batch[0] is how many they are,
batch[1:] which. So its derivatives are compiled once, for any batch.

With variance reduction a step gets another gradient than that of its batch, g_B(x), with the same mean, whose variance
goes to 0 where x converges; so a fixed rate leads to the minimum:

    SVRG [1]   g_B(x) - g_B(a) + mu: a is x at the start of the epoch, mu the gradient of all rows there
    SAGA [2]   g_B(x) - mean over B of t_i + mean over all of t_i, then t_i <- g_i(x) for i in B: t_i is the gradient of
               row i where it was last seen, at first at x0

Differs from [1, 2]: an epoch takes rows without replacement, and in batches.

References
----------
[1] Johnson, Zhang. Accelerating stochastic gradient descent using predictive variance reduction. NIPS 2013. Fig. 1,
    option I.
[2] Defazio, Bach, Lacoste-Julien. SAGA: a fast incremental gradient method with support for non-strongly convex
    composite objectives. NIPS 2014. Eq. 1 and 3. arXiv:1407.0202
"""

import math

from secondorder.control import COUNTDOWN, STOP, look_around
from secondorder.jit import (
    FUN_GRAD,
    HVP,
    f8,
    function_at,
    inlined,
    integers,
    intp,
    leaf,
    loop,
    matrix,
    prefetch,
    touch,
    vector,
)
from secondorder.linalg.random_vector import MODULUS_1, MODULUS_2, WARM_UP, number
from secondorder.linalg.random_vector import step as next_state
from secondorder.status import NOT_FINITE_STEP, RUNNING
from secondorder.updates.averaging import take_in
from secondorder.updates.descent import program_at, random_signs, synchronise, take_step

# what an epoch is told and tells, in `numbers`
K = 0  # steps done, before and after
SIZE = 1  # rows of a batch
LIMIT = 2  # rows of the epoch: without those of a last, smaller batch, if that is dropped
SEED = 3  # of the shuffle; negative: rows in their order
INTERVAL = 4  # steps from one estimate of the Hessian's diagonal to the next
LOOKAHEAD = 5  # steps from one synchronisation to the next; 0: never
REDUCTION = 6  # of variance: of REDUCTIONS
OVERLAP = 7  # rows that a batch shares with the next, for `subsampled_newton_cg`
LAST = 8  # steps after which the run ends, amid an epoch too
N_NUMBERS = 9

LINE = 64  # bytes of a cache line
FEW = 32  # lines on their way at once, which a processor of 2025 keeps account of

NONE, SVRG, SAGA = 0, 1, 2
REDUCTIONS = {"none": NONE, "svrg": SVRG, "saga": SAGA}

_fun_grad_at, _hvp_at = function_at(FUN_GRAD), function_at(HVP)

# (program, fun_grad, hvp, x, g, rows, mask, noise, slow, anchor, average, law, memory, losses, order, batch, places,
# counts, numbers, alpha, address)
EPOCH = f8(
    *(intp, intp, intp, vector, vector, matrix, vector, vector, vector, matrix, vector, vector, vector, vector),
    *(integers, integers, integers, integers, integers, f8, intp),
)


@leaf
def shuffle(order, seed):
    """Put the numbers in order (n,) into a random order (Fisher and Yates). seed: an integer >= 0."""
    a, b = 1 + seed % (MODULUS_1 - 1), 1 + seed % (MODULUS_2 - 1)
    for _ in range(WARM_UP):
        a, b = next_state(a, b)
    for i in range(order.shape[0] - 1, 0, -1):
        a, b = next_state(a, b)
        j = min(int(number(a, b) * (i + 1)), i)
        order[i], order[j] = order[j], order[i]


@inlined
def take_batch(order, start, count, batch):
    """batch <- the rows from start on."""
    batch[0] = count
    for i in range(count):
        batch[1 + i] = order[start + i]


@leaf
def fetch_rows(order, start, stop, places):
    """Read the data of rows order[start : stop]. places: address and bytes of a row, for each array of data.

    Rows in random order come from memory, and a term waits for each of its rows in turn. Nothing waits for a byte that
    is read and forgotten, so that many rows are on their way at once, the last of them while the batch before is
    computed. Prefetch instructions wait for nothing at all, but are dropped where more than a few are on their way.
    """
    lines = 0
    for a in range(0, places.shape[0], 2):
        lines += places[a + 1] // LINE + 1
    few = lines * (stop - start) <= FEW
    for k in range(start, stop):
        for a in range(0, places.shape[0], 2):
            first, size = places[a] + order[k] * places[a + 1], places[a + 1]
            for line in range(0, size, LINE):
                if few:
                    prefetch(first + line)
                else:
                    touch(first + line)


@loop
def estimate(hvp, seed, x, rows, z, address):
    """The last row of state <- z (H z), z random signs."""
    d = rows[rows.shape[0] - 1]
    random_signs(seed, z)
    _hvp_at(hvp)(x, z, d, (address, 0))
    for i in range(x.shape[0]):
        d[i] *= z[i]


def anchor_rows(reduction, n_rows):
    """Rows of `anchor`: SVRG has a, mu and a row of scratch; SAGA all t_i, their mean and a row of scratch."""
    return (0, 3, n_rows + 2)[reduction]


@loop
def reduce_variance(fun_grad, g, anchor, address):
    """g <- g - g_B(a) + mu, for SVRG."""
    mu, at_anchor = anchor[1], anchor[2]
    _fun_grad_at(fun_grad)(anchor[0], at_anchor, (address, 0))
    for i in range(g.shape[0]):
        g[i] += mu[i] - at_anchor[i]


@loop
def value_of_row(fun_grad, row, x, g, batch, address):
    """f of one row; g <- its gradient."""
    batch[0], batch[1] = 1, row
    return _fun_grad_at(fun_grad)(x, g, (address, 0))


@loop
def fill_table(fun_grad, x, anchor, batch, counts, address):
    """All t_i and their mean at x, for SAGA."""
    n_rows = anchor.shape[0] - 2
    mean = anchor[n_rows]
    for j in range(x.shape[0]):
        mean[j] = 0.0
    for i in range(n_rows):
        value_of_row(fun_grad, i, x, anchor[i], batch, address)
        for j in range(x.shape[0]):
            mean[j] += anchor[i, j] / n_rows
        look(counts)
        if counts[STOP] != RUNNING:
            return


@loop
def take_from_table(fun_grad, x, g, anchor, order, start, count, batch, address):
    """g <- SAGA's gradient of the rows order[start : start + count], whose t_i are renewed. Returns f on them."""
    n_rows, n = anchor.shape[0] - 2, x.shape[0]
    mean, new = anchor[n_rows], anchor[n_rows + 1]
    for j in range(n):
        g[j] = mean[j]
    total = 0.0
    for k in range(start, start + count):
        t = anchor[order[k]]
        total += value_of_row(fun_grad, order[k], x, new, batch, address)
        for j in range(n):
            change = new[j] - t[j]
            g[j] += change / count
            mean[j] += change / n_rows
            t[j] = new[j]
    return total / count


@inlined
def note(f, k, losses):
    """losses[k] <- f, where there is room."""
    if k < losses.shape[0]:
        losses[k] = f


@inlined
def look(counts):
    """After an evaluation: now and then the clock and signals."""
    counts[COUNTDOWN] -= 1
    if counts[COUNTDOWN] <= 0:
        look_around(counts)


def epoch(
    program,
    fun_grad,
    hvp,
    x,
    g,
    rows,
    mask,
    noise,
    slow,
    anchor,
    average,
    law,
    memory,
    losses,
    order,
    batch,
    places,
    counts,
    numbers,
    alpha,
    address,
):
    """Steps on all batches of an epoch; x and the state are changed in place. Returns the mean of f over its steps.

    average (n,) takes x in after each step, as `averaging.take_in`; of length 0: there is none. losses[k] becomes f on
    the batch of step k + 1 of the run, for all k that it has room for.
    """
    p = program_at(program)
    total, seen, start = 0.0, 0, 0
    if numbers[REDUCTION] == SAGA and numbers[K] == 0:
        fill_table(fun_grad, x, anchor, batch, counts, address)
    if numbers[SEED] >= 0:
        shuffle(order, numbers[SEED])
    while start < numbers[LIMIT] and numbers[K] < numbers[LAST] and counts[STOP] == RUNNING:
        count = min(numbers[SIZE], numbers[LIMIT] - start)
        take_batch(order, start, count, batch)
        k = numbers[K] + 1
        fetch_rows(order, start + count, min(start + count + numbers[SIZE], numbers[LIMIT]), places)
        if hvp != 0 and (k - 1) % numbers[INTERVAL] == 0:
            estimate(hvp, p.seed + k, x, rows, noise, address)
        if numbers[REDUCTION] == SAGA:
            f = take_from_table(fun_grad, x, g, anchor, order, start, count, batch, address)
        else:
            f = _fun_grad_at(fun_grad)(x, g, (address, 0))
        total += f * count
        seen += count
        start += count
        note(f, k - 1, losses)
        if not math.isfinite(f):
            counts[STOP] = NOT_FINITE_STEP
            break
        if numbers[REDUCTION] == SVRG:
            reduce_variance(fun_grad, g, anchor, address)
        take_step(p, k, f, x, g, rows, mask, noise, memory)
        if numbers[LOOKAHEAD] > 0 and k % numbers[LOOKAHEAD] == 0:
            synchronise(alpha, slow, x)
        if average.shape[0] > 0:
            take_in(k, law, x, average)
        numbers[K] = k
        look(counts)
    return total / seen if seen > 0 else math.nan
