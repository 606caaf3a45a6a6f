r"""Descent by an update rule: fixed steps, no line search. One solver for all rules, which it gets by address.

Minimise f: R^n -> R. With g = grad f(x), k = 1, 2, ...:

    1.  stop if |g|_inf <= gtol, or where f or g is not finite (then x is the best point so far)
    2.  lr = schedule(k - 1)
    3.  x <- rule(x, g, state, coefficients(k, lr)), each parameter by itself, g treated first (`treatment`)
    4.  lookahead ([1]): every `lookahead` steps x <- z + lookahead_alpha (x - z), z <- x, where z was the last such x

Rules that estimate a diagonal of the Hessian get z (H z) for a random z of signs, every `interval` steps.

Cost of an iteration: f and g once, one pass over n; a Hessian product where the rule wants one. Memory: 4 vectors of
length n and the rule's state.

References
----------
[1] Zhang, Lucas, Hinton, Ba. Lookahead optimizer: k steps forward, 1 step back. NeurIPS 2019. Algorithm 1.
"""

from typing import NamedTuple

from secondorder.control import (
    G_ROW,
    GNORM,
    N_ITER,
    SCALE,
    F,
    accept,
    product,
    stopping_test,
    value_and_gradient,
)
from secondorder.jit import (
    ANY,
    Reference,
    f8,
    function_at,
    inlined,
    intp,
    leaf,
    loader,
    loop,
    matrix,
    namedtuple_type,
    reference_at,
    tuple_type,
    vector,
)
from secondorder.linalg.chunks import CHUNKS
from secondorder.linalg.random_vector import MODULUS_1, MODULUS_2, WARM_UP, number, random_normal
from secondorder.linalg.random_vector import step as next_state
from secondorder.linalg.vectors import scale
from secondorder.status import RUNNING, Outcome
from secondorder.updates.schedules import N_WARM_UP, SCHEDULE, warmed_up
from secondorder.updates.treatment import TREATMENT, clipping, noise_at, norm

N_SCALARS = 4  # what `advance` remembers
N_SCHEDULE = 8  # what a schedule remembers
N_COEFFICIENTS = 12  # of a rule, at most
C = N_SCALARS + N_SCHEDULE  # where coefficients begin in `memory`
SUMS = C + TREATMENT + N_COEFFICIENTS
N_MEMORY = SUMS + CHUNKS

ADVANCE = f8(intp, f8, f8, f8, ANY, vector, vector)
SWEEP = f8(vector, vector, matrix, vector, vector, vector)
MEASURE = f8(vector, vector, matrix, vector, vector)
SQUARES = f8(vector, vector)

advance_at, schedule_at = function_at(ADVANCE), function_at(SCHEDULE)
_sweep_at, _measure_at, _squares_at = function_at(SWEEP), function_at(MEASURE), function_at(SQUARES)


class Program(NamedTuple):
    """An update with its options, as compiled code gets it: addresses, and the numbers of `CommonOptions`."""

    advance: int
    options: int  # of the rule, for advance
    sweep: int
    measure: int  # 0: the rule has none
    squares: int  # 0: the norm is not clipped
    schedule: int
    parameters: int  # of the schedule: a tuple of one vector
    steady: float  # its rate where that is always the same, or nan: a call less in each step
    weight_decay: float
    decoupled: bool
    clip_norm: float
    clip_value: float
    noise: float
    noise_decay: float
    seed: int


PROGRAM = Reference(namedtuple_type(Program))
program_at, _options_at = reference_at(PROGRAM), reference_at(ANY)
one_vector_at = loader(tuple_type(vector))


class Options(NamedTuple):
    """What `solve` gets, made by `secondorder.update` from what the user gave."""

    program: int  # address of a Program
    mask: int  # address of a tuple of one vector, of length n or 0
    n_state: int  # rows of state
    fill0: float  # what they start from
    fill1: float  # likewise
    fill2: float  # likewise
    interval: int  # steps from one estimate of the diagonal to the next, >= 1
    lookahead: int  # steps from one synchronisation to the next, >= 0; 0: never
    lookahead_alpha: float  # share of the way that stays, in [0, 1]


# rows of work: the gradient, in turn; the trial point; the gradient in the user's units, where it is scaled; then rows
# of state, noise or signs, slow x
G, GT, XT, IN_UNITS, STATE = range(5)


def n_work(n, options):
    """Rows of length n in `work`."""
    return STATE + options.n_state + 2


def n_memory(n, options):
    """Length of `memory`."""
    return N_MEMORY


@inlined
def rate(program, t, f, memory):
    """The learning rate after t steps."""
    if program.steady == program.steady:
        return program.steady
    (p,) = one_vector_at(program.parameters)
    late, factor = warmed_up(t, p[0], p[1])
    return factor * schedule_at(program.schedule)(late, f, p[N_WARM_UP:], memory[N_SCALARS:C])


@inlined
def coefficients(program, k, lr, f, measured, size, memory):
    """Write those of step k into memory. size: |g|_2 where it is clipped."""
    c = memory[C:SUMS]
    decay = program.weight_decay
    c[0] = clipping(size, program.clip_norm)
    c[1] = program.clip_value
    c[2], c[3] = (0.0, lr * decay) if program.decoupled else (decay, 0.0)
    advance_at(program.advance)(k, lr, f, measured, _options_at(program.options), memory[:N_SCALARS], c[TREATMENT:])


@leaf
def make_noise(program, k, noise):
    """noise (n,) <- normal numbers of the size of step k."""
    size = noise_at(k, program.noise, program.noise_decay)
    random_normal(program.seed + k, noise)
    for i in range(noise.shape[0]):
        noise[i] *= size


@leaf
def random_signs(seed, z):
    """z (n,) <- +1 or -1, independent: Rademacher's distribution. seed: an integer >= 0."""
    a, b = 1 + seed % (MODULUS_1 - 1), 1 + seed % (MODULUS_2 - 1)
    for _ in range(WARM_UP):
        a, b = next_state(a, b)
    for i in range(z.shape[0]):
        a, b = next_state(a, b)
        z[i] = 1.0 if number(a, b) < 0.5 else -1.0


@leaf
def begin(options, x, work):
    """Trial point, rows of state and the slow x at the start."""
    for i in range(x.shape[0]):
        work[XT, i] = x[i]
        if options.n_state > 0:
            work[STATE, i] = options.fill0
        if options.n_state > 1:
            work[STATE + 1, i] = options.fill1
        if options.n_state > 2:
            work[STATE + 2, i] = options.fill2
        work[STATE + options.n_state + 1, i] = x[i]


@leaf
def synchronise(alpha, slow, x):
    """x and slow <- slow + alpha (x - slow)."""
    for i in range(x.shape[0]):
        slow[i] += alpha * (x[i] - slow[i])
        x[i] = slow[i]


@inlined
def take_step(program, k, f, x, g, rows, mask, noise, memory):
    """x and rows <- those after step k. Returns the learning rate."""
    lr = rate(program, k - 1, f, memory)
    c, sums = memory[C:SUMS], memory[SUMS:]
    measured, size = 0.0, 0.0
    if program.measure != 0 and k > 1:
        c[0] = lr
        measured = _measure_at(program.measure)(x, g, rows, c, sums)
    if program.squares != 0:
        size = norm(g, _squares_at(program.squares)(g, sums))
    if program.noise > 0.0:
        make_noise(program, k, noise)
    coefficients(program, k, lr, f, measured, size, memory)
    _sweep_at(program.sweep)(x, g, rows, mask, noise, c)
    return lr


@inlined
def step(k, f, g, options, work, memory, control):
    """work[XT], which is x, <- x after step k. Returns the learning rate."""
    xt, n_state = work[XT], options.n_state
    rows, noise = work[STATE : STATE + n_state], work[STATE + n_state]
    (mask,) = one_vector_at(options.mask)
    if control.values[SCALE] != 1.0:  # rules are not free of units: they get f and g in the user's
        factor = 1.0 / control.values[SCALE]
        f *= factor
        scale(factor, g, work[IN_UNITS])
        g = work[IN_UNITS]
    lr = take_step(program_at(options.program), k, f, xt, g, rows, mask, noise, memory)
    if options.lookahead > 0 and k % options.lookahead == 0:
        synchronise(options.lookahead_alpha, work[STATE + n_state + 1], xt)
    return lr


@inlined
def move_on(fun_grad, f, lr, row, x, work, control, data):
    """x <- work[XT], its gradient in the other of two rows of work. Returns f there and that row."""
    xt, other = work[XT], GT - row
    ft = value_and_gradient(fun_grad, xt, work[other], control, data)
    f = accept(x, f, xt, ft, lr, 0.0, control)
    control.counts[G_ROW] = other
    return f, other


def solve(fun, fun_grad, search, search_options, options, x, work, memory, control, data):
    """Minimise fun from x (n,), in place; on entry work[0] is the gradient at x and control.values[F] is f(x)."""
    row, f, k = G, control.values[F], 0
    begin(options, x, work)
    reason = stopping_test(f, work[row], control)
    while reason == RUNNING:
        k += 1
        lr = step(k, f, work[row], options, work, memory, control)
        f, row = move_on(fun_grad, f, lr, row, x, work, control, data)
        reason = stopping_test(f, work[row], control)
    return Outcome(reason, f, control.values[GNORM], control.counts[N_ITER])


@loop
def estimate_diagonal(hvp, k, x, options, work, control, data):
    """The last row of state <- z (H z) in the units of f, z random signs."""
    d, z = work[STATE + options.n_state - 1], work[STATE + options.n_state]
    random_signs(program_at(options.program).seed + k, z)
    product(hvp, x, z, d, control, data)
    factor = 1.0 / control.values[SCALE]
    for i in range(x.shape[0]):
        d[i] *= factor * z[i]


def solve_with_hvp(fun, fun_grad, hvp, search, search_options, options, x, work, memory, control, data):
    """`solve` for rules that estimate a diagonal of the Hessian."""
    row, f, k = G, control.values[F], 0
    begin(options, x, work)
    reason = stopping_test(f, work[row], control)
    while reason == RUNNING:
        k += 1
        if (k - 1) % options.interval == 0:
            estimate_diagonal(hvp, k, x, options, work, control, data)
        lr = step(k, f, work[row], options, work, memory, control)
        f, row = move_on(fun_grad, f, lr, row, x, work, control, data)
        reason = stopping_test(f, work[row], control)
    return Outcome(reason, f, control.values[GNORM], control.counts[N_ITER])
