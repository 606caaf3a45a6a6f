"""One large problem on a CUDA device: a method's own text, run by Python, over vectors that stay on the device.

A solver is a function over vectors, and all that it does to them it does by the verbs of linalg.vectors. `retargeted`
makes the same function anew with other globals: verbs become those of `cuda_vectors`, and every function of ours that
it calls is made anew likewise. So there is no second text of a method, a line search or a stopping test. Numbers are
the host's; each sum over a vector waits for the device, and nothing else does.
"""

import functools
import math
import time
import types

import numpy as np

from secondorder.backends import serial
from secondorder.backends.cuda import cuda, device_array_of, flat, stream_of
from secondorder.backends.cuda_vectors import Verbs
from secondorder.control import (
    CALLBACK,
    DEADLINE,
    F_BEST,
    FUN_PER_GRAD,
    G_ROW,
    GNORM,
    GRAD_PER_PRODUCT,
    IN_UNITS_OF_F,
    LEFT_BEST,
    MAX_ITER,
    N_ITER,
    SCALE,
    STOP,
    TRACE,
    X_ROW,
    Control,
    F,
    value_and_gradient,
)
from secondorder.jit import compiled, entry_point, f8, full_name, intp, is_compiled, plain, tuple_type, vector
from secondorder.krylov import lanczos as lanczos_kernel
from secondorder.krylov.lanczos import RITZ, Ritz
from secondorder.linalg import chunks
from secondorder.linalg.random_vector import FACTOR_1, FACTOR_2, MODULUS_1, MODULUS_2, jump
from secondorder.status import CONVERGED, REASONS
from secondorder.subproblems import least_curvature
from secondorder.subproblems.least_curvature import seeded, uniform

OURS = __name__.partition(".")[0] + "."
DIFFERENCE = np.finfo(np.float64).eps ** (1.0 / 3.0)  # of central differences, relative to x


class Arithmetic:
    """`math` as compiled code has it: nan and inf where Python raises, and numbers of NumPy, whose x / 0 is inf."""

    sqrt, log, log2, exp, cos, copysign, ldexp = map(
        staticmethod, (np.sqrt, np.log, np.log2, np.exp, np.cos, np.copysign, np.ldexp)
    )

    def __getattr__(self, name):
        return getattr(math, name)


def retargeted(function, verbs, made=None):
    """The Python of a kernel with other globals: verbs by their full name, functions of ours retargeted likewise."""
    made = {} if made is None else made
    python, name = plain(function), full_name(function)
    if name in verbs:
        return verbs[name]
    if python not in made:
        new = dict(python.__globals__)
        made[python] = types.FunctionType(
            python.__code__, new, python.__name__, python.__defaults__, python.__closure__
        )
        for word in names_in(python.__code__):
            value = new.get(word)
            if f"{python.__module__}.{word}" in verbs:
                new[word] = verbs[f"{python.__module__}.{word}"]
            elif value is math:
                new[word] = ARITHMETIC
            elif word in JIT:
                new[word] = JIT[word]
            elif is_function(value) and (value.__module__ or "").startswith(OURS):
                new[word] = retargeted(value, verbs, made)
    return made[python]


def is_function(value):
    """A function, compiled or not; no class."""
    return isinstance(value, types.FunctionType) or is_compiled(value)


def names_in(code):
    """Names of globals in the code of a function, and of functions within it."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from names_in(constant)


def call_product(function, x, v, out, data):
    """function(x, v, out, data), for functions of the user's by `data`."""
    raise NotImplementedError("a preconditioner of the user's has no address on a device")


ARITHMETIC = Arithmetic()
JIT = {  # what jit has as intrinsics, which have no Python
    "atomic_load": lambda array, index: array[index],
    "borrowed": lambda array: array,
    "reshaped": lambda array, shape: array.reshape(shape),
    "monotonic_ns": time.monotonic_ns,
    "run_pending_signals": lambda: 0,
}


# ------------------------------------------------------------------- what Lanczos' method does to numbers, compiled


def run_wanted_error(alpha, beta, steps, n_smallest, n_largest, d, e, last):
    """`lanczos.wanted_error`, for Python."""
    return lanczos_kernel.wanted_error(alpha, beta, steps, n_smallest, n_largest, d, e, last)


def run_least_ritz(alpha, beta, steps, scratch):
    """`least_curvature.least_ritz`, for Python."""
    return least_curvature.least_ritz(alpha, beta, steps, scratch)


def run_ritz_pairs(end, steps, norm, most, memory):
    """`lanczos.ritz_pairs`, for Python."""
    found = lanczos_kernel.ritz_pairs(end, steps, norm, most, memory)
    smallest, largest = found.smallest, found.largest
    return found.end, found.steps, smallest, largest, found.smallest_error, found.largest_error, found.norm


SIGNATURES = {
    run_wanted_error: f8(vector, vector, intp, intp, intp, vector, vector, vector),
    run_least_ritz: tuple_type(f8, f8)(vector, vector, intp, vector),
    run_ritz_pairs: RITZ(intp, intp, f8, intp, vector),
}


@functools.cache
def on_host(function):
    """One of them, as Python calls it."""
    return entry_point(compiled(function, SIGNATURES[function], "entry"))


def verbs_by_name(verbs):
    """What takes the place of which function of ours that works on vectors."""
    names = "dot", "distance2", "norm_inf", "axpby", "axpy", "axpy_dot", "copy", "scale", "fill", "divide"
    table = {f"secondorder.linalg.vectors.{name}": getattr(verbs, name) for name in names}
    return table | {
        "secondorder.control.axpy": lambda a, x, y, out, control: verbs.axpy(a, x, y, out),
        "secondorder.control.dot": lambda x, y, control: verbs.dot(x, y),
        "secondorder.control.move": verbs.move,
        "secondorder.line_searches.memory.change2": verbs.distance2,
        "secondorder.methods.region.same": verbs.same,
        "secondorder.subproblems.preconditioner.weighted": verbs.weighted,
        "secondorder.subproblems.preconditioner.learn_from": verbs.learn_from,
        "secondorder.krylov.conjugate_gradients.three_products": verbs.three_products,
        "secondorder.krylov.conjugate_gradients.take_step": verbs.step_of_cg,
        "secondorder.krylov.minres.take_step": verbs.step_of_minres,
        "secondorder.krylov.lanczos.orthogonalize": verbs.orthogonalize,
        "secondorder.krylov.lanczos.wanted_error": lambda *given: on_host(run_wanted_error)(*given),
        "secondorder.krylov.lanczos.ritz_pairs": lambda *given: Ritz(*on_host(run_ritz_pairs)(*given)),
        "secondorder.subproblems.least_curvature.least_ritz": lambda *given: on_host(run_least_ritz)(*given),
        "secondorder.jit.addresses.call_product": call_product,
    }


class Rows:
    """Vectors of length n on the device, made when they are first asked for: few runs need all that they may."""

    def __init__(self, count, new, rows=None):
        self.rows, self.new = {} if rows is None else rows, new
        self.order = range(count)

    @property
    def shape(self):
        """(number of rows,)."""
        return (len(self.order),)

    def __getitem__(self, index):
        if isinstance(index, slice):
            part = Rows(0, self.new, self.rows)
            part.order = self.order[index]
            return part
        k = self.order[int(index)]
        if k not in self.rows:
            self.rows[k] = self.new()
        return self.rows[k]


class Run:
    """One call of a solver on the device: its arrays, its control block, and the call itself.

    functions: fun_grad(x, g) -> f and hvp(x, v, out) or None, over arrays of numba.cuda. examine: a
    `cuda_saddle.Examination` or None. dtype: of these arrays, if not that of x0.
    """

    backend = "cuda"

    def __init__(self, name, module, parsed, functions, x0, stream, callback=None, examine=None, dtype=None):
        self.name, self.module, self.parsed, self.run = name, module, parsed, parsed.run
        self.stream, self.examine = stream_of(stream), examine
        given = x0 if isinstance(x0, np.ndarray) else flat("x0", device_array_of("x0", x0))
        self.n = n = int(given.shape[0])
        self.dtype = dtype or (given.dtype if given.dtype in (np.float32, np.float64) else np.dtype(np.float64))
        rows = module.n_work(n, parsed.method)
        self.verbs = Verbs(n, self.stream, sums=rows + 4)
        self.n_rows = rows if examine is None else examine.rows_of(n, rows)
        self.x = self.new()
        if isinstance(x0, np.ndarray):
            given = cuda.to_device(np.ascontiguousarray(x0, self.dtype), stream=self.stream)
        self.verbs.copy(given, self.x)
        self.text = getattr(module, "solve_long", module.solve) if n >= chunks.LONG else module.solve
        self.matrix = None
        self.work = Rows(self.n_rows, self.new)
        if self.text is not module.solve:  # it combines rows by their numbers
            self.matrix = cuda.device_array((rows, n), self.dtype, stream=self.stream)
            self.work.rows.update({k: self.matrix[k] for k in range(rows)})
        self.memory = np.empty(module.n_memory(n, parsed.method))
        self.counts, self.values, numbers = serial.control_numbers()
        numbers[:] = serial.control_start(parsed.run, n)
        if parsed.run.time_limit < math.inf:
            self.counts[DEADLINE] = time.monotonic_ns() + int(1e9 * min(parsed.run.time_limit, 1e9))
        most = min(int(self.counts[MAX_ITER]) + 1, serial.MAX_TRACE) if parsed.run.history else 0
        self.trace = np.empty((most, len(TRACE)))
        self.control = Control(self.counts, self.values, self.new(), self.trace, np.empty(chunks.CHUNKS))
        self.fun_grad, self.hvp = functions
        self.table = self.verbs_by_name()
        if callback is not None:
            self.counts[CALLBACK] = 1
            self.table["secondorder.control.notify"] = lambda counts: callback(self)
        self.value_and_gradient = retargeted(value_and_gradient, self.table)

    def new(self):
        """A vector on the device, of arbitrary contents."""
        return cuda.device_array(max(1, self.n), self.dtype, stream=self.stream)[: self.n]

    def verbs_by_name(self):
        """What takes the place of which function of ours."""
        return verbs_by_name(self.verbs) | {
            "secondorder.methods.l_bfgs._change_at": lambda address: self.change,
            "secondorder.methods.l_bfgs._combine_at": lambda address: self.combine,
            "secondorder.subproblems.perturbation.in_ball": self.in_ball,
            "secondorder.subproblems.least_curvature.random_direction": self.random_direction,
        }

    def change(self, work, *arguments):
        """`linalg.chunks.change` of long vectors."""
        return self.verbs.change(self.matrix, *arguments)

    def combine(self, work, *arguments):
        """`linalg.chunks.combine` of long vectors."""
        return self.verbs.combine(self.matrix, *arguments)

    def in_ball(self, seed, stream, radius, xi):
        """`subproblems.perturbation.in_ball`."""
        in_ball(self.verbs, seed, stream, radius, xi)

    def random_direction(self, seed, stream, v):
        """`subproblems.least_curvature.random_direction`: the same numbers."""
        self.verbs.random_normal(*unmade(seeded)(seed, stream), 1.0, v)

    # what solvers are given: functions of (x, ..., data)

    def typed_fun_grad(self, x, g, data):
        """f(x); g <- its gradient."""
        return np.float64(self.fun_grad(x, g))

    def typed_fun(self, x, data):
        """f(x), by a gradient that nobody asked for."""
        return np.float64(self.fun_grad(x, self.spare))

    @functools.cached_property
    def spare(self):
        """A vector for what is not asked for."""
        return self.new()

    @functools.cached_property
    def beside(self):
        """A point beside x."""
        return self.new()

    def typed_hvp(self, x, v, out, data):
        """out <- H(x) v: the user's, or central differences of gradients."""
        if self.hvp is not None:
            self.hvp(x, v, out)
            return
        length = self.verbs.norm_inf(v)
        t = DIFFERENCE * (1.0 + self.verbs.norm_inf(x)) / length if length > 0.0 else 1.0
        self.verbs.axpy(t, v, x, self.beside)
        self.fun_grad(self.beside, out)
        self.verbs.axpy(-t, v, x, self.beside)
        self.fun_grad(self.beside, self.spare)
        self.verbs.axpby(0.5 / t, out, -0.5 / t, self.spare, out)

    # the call

    def __call__(self):
        """Solve; the reason to end."""
        with np.errstate(all="ignore"):
            reason = self.enter(self.control)
            if self.examine is not None:
                reason = self.examine(self, reason)
            if self.counts[LEFT_BEST] and REASONS[reason].status != CONVERGED:
                self.return_to_best()
        return int(reason)

    def enter(self, control):
        """The solver's text, from the gradient at x on."""
        module, parsed, made, counts = self.module, self.parsed, {}, self.counts
        counts[FUN_PER_GRAD] = 1
        if "hvp" in module.NEEDS or self.examine is not None:
            counts[GRAD_PER_PRODUCT] = 2 if self.hvp is None else 0
        self.verbs.fill(math.nan, self.work[0])  # what is left unwritten must not pass for a gradient
        f = self.value_and_gradient(self.typed_fun_grad, self.x, self.work[0], control, None)
        first = serial.settle if counts[N_ITER] == 0 else serial.go_on
        retargeted(first, self.table, made)(f, self.work[0], control)
        functions = [self.typed_fun, self.typed_fun_grad]
        if "hvp" in module.NEEDS:
            functions.append(self.typed_hvp)
        search = parsed.line_search
        if search is not None:
            search = retargeted(getattr(search, "search", search), self.table, made)
        solver = retargeted(self.text, self.table, made)
        return solver(
            *functions, search, parsed.search, parsed.method, self.x, self.work, self.memory, control, None
        ).reason

    def collect(self):
        """What methods have to say of their own: those that run here have nothing."""

    def copied(self, v):
        """A copy of a vector on the device."""
        out = self.new()
        self.verbs.copy(v, out)
        return out

    def return_to_best(self):
        """x <- the best point accepted, with its gradient: one more evaluation."""
        stop = self.counts[STOP]
        self.recover()
        self.counts[G_ROW] = 0
        f = self.value_and_gradient(self.typed_fun_grad, self.x, self.work[0], self.control, None)
        self.counts[STOP] = stop
        self.values[F], self.values[GNORM] = f, self.verbs.norm_inf(self.work[0])

    def recover(self):
        """x <- the best point, its gradient unknown."""
        if self.counts[LEFT_BEST]:
            self.verbs.copy(self.control.best, self.x)
            self.counts[LEFT_BEST] = 0
            self.values[F], self.values[GNORM] = self.values[F_BEST], math.nan
            self.verbs.fill(math.nan, self.work[int(self.counts[G_ROW])])
        elif self.counts[X_ROW]:
            self.verbs.copy(self.point(), self.x)
        self.counts[X_ROW] = 0

    def point(self):
        """Where x is while the solver runs or was interrupted."""
        row = int(self.counts[X_ROW])
        return self.work[row] if row else self.x

    def gradient(self, counts, values):
        """The gradient at x in the user's units, on the device."""
        out = self.new()
        self.verbs.scale(1.0 / self.values[SCALE], self.work[int(self.counts[G_ROW])], out)
        return out

    def unscaled_values(self):
        """The values of the control block as Python floats, in the user's units of f."""
        values = self.values.tolist()
        for k in IN_UNITS_OF_F:
            values[k] /= self.values[SCALE]
        return values


def in_ball(verbs, seed, stream, radius, xi):
    """`subproblems.perturbation.in_ball`: the same numbers, each thread's from where its entries begin."""
    a, b = unmade(seeded)(seed, stream)
    verbs.random_normal(a, b, 1.0, xi)
    a, b = far(a, FACTOR_1, MODULUS_1, 2 * verbs.n), far(b, FACTOR_2, MODULUS_2, 2 * verbs.n)
    _, _, last = unmade(uniform)(a, b)
    verbs.scale(radius * last ** (1.0 / verbs.n) / np.sqrt(verbs.dot(xi, xi)), xi, xi)


def perturb(x, seed, number, radius, stream):
    """x, of any shape on the device, <- x + a vector that is uniform in a ball."""
    given = device_array_of("x", x)
    if given.dtype not in (np.float32, np.float64):
        raise TypeError(f"x must hold float32 or float64; it is an array of {given.dtype} on the device")
    given, stream = flat("x", given), stream_of(stream)
    if given.size > 0:
        xi = cuda.device_array(given.size, given.dtype, stream=stream)
        verbs = Verbs(given.size, stream)
        in_ball(verbs, seed, number, radius, xi)
        verbs.axpy(1.0, xi, given, given)


def unmade(function):
    """The Python of a kernel of ours that calls no other but `uniform`."""
    return retargeted(function, {})


def far(state, factor, modulus, steps):
    """`linalg.random_vector.jump`, on the host."""
    return plain(jump)(state, factor, modulus, steps)
