"""Update rules on arrays of float32 or float64: their compiled loops, with threads and without, and one step of them.

Each rule's loop is compiled when it is first asked for, for its number type and for what is done to the gradient, and
is kept on disk; `advance` is compiled once for both number types. The entry, one for a number type, gets them by
address.
"""

import functools
import hashlib
import threading

import numpy as np

from secondorder.backends import threads
from secondorder.jit import (
    BRIDGE,
    DISTINCT,
    ENTRY,
    FUN_GRAD,
    HVP,
    KERNEL,
    PARALLEL,
    Reference,
    address_of,
    callee,
    compiled,
    entry_point,
    f4,
    f8,
    function_at,
    intp,
    namedtuple_type,
    typed,
    types,
    vector,
)
from secondorder.updates import sweep, treatment
from secondorder.updates.descent import (
    N_COEFFICIENTS,
    N_SCHEDULE,
    SUMS,
    C,
    coefficients,
    make_noise,
    program_at,
    rate,
)
from secondorder.updates.epochs import EPOCH, epoch
from secondorder.updates.schedules import N_WARM_UP, SCHEDULE, warmed_up
from secondorder.updates.subsampled_newton_cg import NEWTON_EPOCH, newton_epoch
from secondorder.updates.treatment import TREATMENT, norm

NUMBERS = {np.dtype(np.float32): f4, np.dtype(np.float64): f8}
TREATMENTS = {
    (False, False): treatment.treat,
    (True, False): treatment.treat_masked,
    (False, True): treatment.treat_noisy,
    (True, True): treatment.treat_noisy_masked,
}


def sweep_signature(number):
    """sweep(x, g, rows, mask, noise, c) -> 0.0."""
    line = types.Array(number, 1, "C")
    return f8(line, line, types.Array(number, 2, "C"), line, line, line)


def measure_signature(number):
    """measure(x, g, rows, c, sums) -> a sum."""
    line = types.Array(number, 1, "C")
    return f8(line, line, types.Array(number, 2, "C"), line, vector)


def squares_signature(number):
    """squares(g, sums) -> |g|_2^2."""
    return f8(types.Array(number, 1, "C"), vector)


def kept(function, signature, flags):
    """A function made by a factory, which has named it by what it is made of: compiled, or from the disk cache."""
    key = f"{function.__name__} {signature}"
    digest = hashlib.sha256(key.encode()).hexdigest()  # files are named after the first 24 letters
    return typed(function, signature, f"{digest} {key}", flags)


@functools.cache
def compiled_sweep(rule, n_state, count, number, treat, shared=False):
    """The loop over all parameters of a rule."""
    function = sweep.make_sweep(rule, n_state, count, treat, shared)
    return kept(function, sweep_signature(number), PARALLEL if shared else DISTINCT)


@functools.cache
def compiled_measure(measure, number):
    """The sum over all parameters that a rule asks for."""
    return kept(sweep.make_measure(measure), measure_signature(number), KERNEL)


@functools.cache
def compiled_squares(number, shared=False):
    """The sum of squares."""
    return compiled(treatment.squares, squares_signature(number), "parallel" if shared else "kernel")


@functools.cache
def compiled_advance(module):
    """The coefficients of a rule."""
    options = Reference(namedtuple_type(module.Options))
    return compiled(module.advance, f8(intp, f8, f8, f8, options, vector, vector))


@functools.cache
def compiled_schedule(function):
    """A schedule."""
    return compiled(function, SCHEDULE)


def advance_address(module):
    """Address of a rule's `advance`, whose options compiled code passes on without knowing their type."""
    options = Reference(namedtuple_type(module.Options))
    return address_of(compiled_advance(module), f8(intp, f8, f8, f8, options, vector, vector))


def schedule_address(function):
    """Address of a schedule."""
    return address_of(compiled_schedule(function), SCHEDULE)


def sweep_address(rule, n_state, count, number, treat, shared=False):
    """Address of `compiled_sweep`."""
    return address_of(compiled_sweep(rule, n_state, count, number, treat, shared), sweep_signature(number))


def measure_address(measure, number):
    """Address of `compiled_measure`."""
    return address_of(compiled_measure(measure, number), measure_signature(number))


def squares_address(number, shared=False):
    """Address of `compiled_squares`."""
    return address_of(compiled_squares(number, shared), squares_signature(number))


def threads_for(n):
    """Do threads share a step of n parameters?"""
    return n >= threads.SHARED and threads.useful()


@functools.cache
def entry(number):
    """The one way from Python into a step, for a number type."""
    line, lines = types.Array(number, 1, "C"), types.Array(number, 2, "C")
    sweep_at, measure_at = function_at(sweep_signature(number)), function_at(measure_signature(number))
    squares_at = function_at(squares_signature(number))

    def step(program, x, g, rows, mask, noise, c, memory, k, f):
        p = program_at(program)
        sums, measured, size = memory[SUMS:], 0.0, 0.0
        lr = rate(p, k - 1, f, memory)
        if p.measure != 0 and k > 1:
            c[0] = lr
            measured = measure_at(p.measure)(x, g, rows, c, sums)
        if p.squares != 0:
            size = norm(g, squares_at(p.squares)(g, sums))
        if p.noise > 0.0:
            make_noise(p, k, noise)
        coefficients(p, k, lr, f, measured, size, memory)
        for i in range(TREATMENT + N_COEFFICIENTS):
            c[i] = memory[C + i]
        sweep_at(p.sweep)(x, g, rows, mask, noise, c)
        return lr

    signature = f8(intp, line, line, lines, line, line, line, vector, intp, f8)
    return entry_point(kept(sweep.called(step, str(number)), signature, ENTRY))


@functools.cache
def host_entry():
    """(rate, coefficients): the parts of a step before the loop, for loops that run elsewhere.

    rate(program, memory, k, f) -> the learning rate; coefficients(program, memory, k, lr, f, measured, size) writes
    memory[C:SUMS].
    """

    def rate_of_step(program, memory, k, f):
        return rate(program_at(program), k - 1, f, memory)

    def coefficients_of_step(program, memory, k, lr, f, measured, size):
        coefficients(program_at(program), k, lr, f, measured, size, memory)
        return 0.0

    return (
        entry_point(kept(rate_of_step, f8(intp, vector, intp, f8), ENTRY)),
        entry_point(kept(coefficients_of_step, f8(intp, vector, intp, f8, f8, f8, f8), ENTRY)),
    )


@functools.cache
def own_schedule(function):
    """Address of a schedule of the user's: function(t) -> lr."""
    user = callee(function)

    def schedule(t, f, p, memory):
        return user(t) * 1.0

    try:
        dispatcher = typed(schedule, SCHEDULE, flags=BRIDGE)
    except Exception as error:
        raise TypeError(f"lr={function!r:.100} can't be compiled for lr(t) -> float: {error}") from error
    _own.append(dispatcher)
    return address_of(dispatcher, SCHEDULE)


_own = []  # schedules of the user's, which addresses point at


def _rates(schedule, p, f, out, memory):
    for t in range(out.shape[0]):
        late, factor = warmed_up(t, p[0], p[1])
        out[t] = factor * _schedule_at(schedule)(late, f[t], p[N_WARM_UP:], memory)
    return 0.0


_schedule_at = function_at(SCHEDULE)


def rates(schedule, p, f, out):
    """out <- the rates of the schedule at an address, for its parameters and values of f."""
    enter = entry_point(compiled(_rates, f8(intp, vector, vector, vector, vector), "entry"))
    enter(schedule, p, f, out, np.empty(N_SCHEDULE))


@functools.cache
def towards(dtype):
    """move(x, y, weight): x <- x + weight (y - x), on vectors of this number type."""
    number = NUMBERS[dtype]
    line = types.Array(number, 1, "C")

    def move(x, y, weight):
        for i in range(x.shape[0]):
            x[i] += weight * (y[i] - x[i])
        return 0.0

    return entry_point(kept(sweep.called(move, str(number)), f8(line, line, number), ENTRY))


def run_epoch(*arguments):
    """`updates.epochs.epoch`, compiled."""
    return entry_point(compiled(epoch, EPOCH, "entry"))(*arguments)


def run_newton_epoch(*arguments):
    """`updates.subsampled_newton_cg.newton_epoch`, compiled."""
    return entry_point(compiled(newton_epoch, NEWTON_EPOCH, "entry"))(*arguments)


_fun_grad_at = function_at(FUN_GRAD)


def _value_at(fun_grad, x, g, address):
    return _fun_grad_at(fun_grad)(x, g, (address, 0))


def value_at(fun_grad, x, g, address):
    """The value of the typed function at an address; g is written."""
    return entry_point(compiled(_value_at, f8(intp, vector, vector, intp), "entry"))(fun_grad, x, g, address)


_hvp_at = function_at(HVP)


def _product_at(hvp, x, v, out, address):
    return _hvp_at(hvp)(x, v, out, (address, 0))


def product_at(hvp, x, v, out, address):
    """out <- H v by the typed product at an address."""
    signature = f8(intp, vector, vector, vector, intp)
    entry_point(compiled(_product_at, signature, "entry"))(hvp, x, v, out, address)


def on_main_thread():
    """May signal handlers be run from here?"""
    return threading.current_thread() is threading.main_thread()
