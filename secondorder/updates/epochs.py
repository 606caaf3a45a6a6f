"""An epoch of stochastic steps, compiled end to end: rows are shuffled, batches taken, an update makes a step of each.

The objective is a mean over rows, whose numbers it finds in an array of its arguments: batch[0] is how many they are,
batch[1:] which. So its derivatives are compiled once, for any batch.

With variance reduction (SVRG, [1]) a step gets, in place of the gradient g_B(x) of its batch, g_B(x) - g_B(a) + mu: a
is x at the start of the epoch and mu the gradient of all rows there. Its mean is the same, and its variance goes to 0
where x and a converge; so a fixed rate leads to the minimum.

References
----------
[1] Johnson, Zhang. Accelerating stochastic gradient descent using predictive variance reduction. NIPS 2013. Fig. 1,
    option I.
"""

import math

from secondorder.control import COUNTDOWN, STOP, look_around
from secondorder.jit import FUN_GRAD, HVP, f8, function_at, inlined, integers, intp, leaf, loop, matrix, vector
from secondorder.linalg.random_vector import MODULUS_1, MODULUS_2, WARM_UP, number
from secondorder.linalg.random_vector import step as next_state
from secondorder.status import NOT_FINITE_STEP, RUNNING
from secondorder.updates.descent import program_at, random_signs, synchronise, take_step

# what an epoch is told and tells, in `numbers`
K = 0  # steps done, before and after
SIZE = 1  # rows of a batch
LIMIT = 2  # rows of the epoch: without those of a last, smaller batch, if that is dropped
SEED = 3  # of the shuffle; negative: rows in their order
INTERVAL = 4  # steps from one estimate of the Hessian's diagonal to the next
LOOKAHEAD = 5  # steps from one synchronisation to the next; 0: never
N_NUMBERS = 6

_fun_grad_at, _hvp_at = function_at(FUN_GRAD), function_at(HVP)

# (program, fun_grad, hvp, x, g, rows, mask, noise, slow, anchor, memory, order, batch, counts, numbers, alpha, address)
EPOCH = f8(
    *(intp, intp, intp, vector, vector, matrix, vector, vector, vector, matrix, vector),
    *(integers, integers, integers, integers, f8, intp),
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


@loop
def estimate(hvp, seed, x, rows, z, address):
    """The last row of state <- z (H z), z random signs."""
    d = rows[rows.shape[0] - 1]
    random_signs(seed, z)
    _hvp_at(hvp)(x, z, d, (address, 0))
    for i in range(x.shape[0]):
        d[i] *= z[i]


@loop
def reduce_variance(fun_grad, g, anchor, address):
    """g <- g - g_B(a) + mu. anchor: no rows, where that is not asked for; or a, mu and a row of scratch."""
    if anchor.shape[0] > 0:
        mu, at_anchor = anchor[1], anchor[2]
        _fun_grad_at(fun_grad)(anchor[0], at_anchor, (address, 0))
        for i in range(g.shape[0]):
            g[i] += mu[i] - at_anchor[i]


def epoch(
    program, fun_grad, hvp, x, g, rows, mask, noise, slow, anchor, memory, order, batch, counts, numbers, alpha, address
):
    """Steps on all batches of an epoch; x and the state are changed in place. Returns the mean of f over its steps."""
    p = program_at(program)
    total, seen, start = 0.0, 0, 0
    if numbers[SEED] >= 0:
        shuffle(order, numbers[SEED])
    while start < numbers[LIMIT] and counts[STOP] == RUNNING:
        count = min(numbers[SIZE], numbers[LIMIT] - start)
        take_batch(order, start, count, batch)
        k = numbers[K] + 1
        if hvp != 0 and (k - 1) % numbers[INTERVAL] == 0:
            estimate(hvp, p.seed + k, x, rows, noise, address)
        f = _fun_grad_at(fun_grad)(x, g, (address, 0))
        total += f * count
        seen += count
        start += count
        if not math.isfinite(f):
            counts[STOP] = NOT_FINITE_STEP
            break
        reduce_variance(fun_grad, g, anchor, address)
        take_step(p, k, f, 1.0, x, g, rows, mask, noise, memory)
        if numbers[LOOKAHEAD] > 0 and k % numbers[LOOKAHEAD] == 0:
            synchronise(alpha, slow, x)
        numbers[K] = k
        counts[COUNTDOWN] -= 1
        if counts[COUNTDOWN] <= 0:
            look_around(counts)
    return total / max(seen, 1)
