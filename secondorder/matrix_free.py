"""Linear systems and extreme eigenvalues of symmetric operators: cg, minres, lanczos.

The front door of `krylov`: the operator becomes a typed product (`operators`), the kernel runs on arrays owned here,
and what came out is checked with one more product and said in words.
"""

import functools
import math
import threading
from dataclasses import dataclass

import numpy as np

from secondorder.backends import is_on_device
from secondorder.backends.serial import check_free_memory, control_numbers
from secondorder.control import (
    CONTROL,
    COUNTDOWN,
    MAX_FUN,
    N_HVP,
    SCALE,
    SIGNALS,
    STOP,
    STRIDE,
    Control,
    product,
)
from secondorder.jit import (
    HVP,
    Native,
    compiled,
    entry_point,
    f8,
    function_at,
    intp,
    matrix,
    reference_at,
    tuple_type,
    types,
    vector,
)
from secondorder.krylov import conjugate_gradients as cg_kernel
from secondorder.krylov import lanczos as lanczos_kernel
from secondorder.krylov import minres as minres_kernel
from secondorder.krylov.conjugate_gradients import Solution, conjugate_gradients
from secondorder.krylov.ends import (
    CONVERGED,
    ENDS,
    INVARIANT,
    LEAST_SQUARES,
    MAX_STEPS,
    NONPOSITIVE_CURVATURE,
    ROUNDING,
    STOPPED,
)
from secondorder.krylov.lanczos import RITZ, Ritz
from secondorder.krylov.lanczos import lanczos as find_ritz_pairs
from secondorder.krylov.minres import minres as minimize_residual
from secondorder.linalg.eigen import HUGE, TINY
from secondorder.minimize import interruptible
from secondorder.operators import operator_of, real_vector
from secondorder.status import RUNNING

# --------------------------------------------------------------------------------------------- the compiled entries

_hvp_at, _control_at = function_at(HVP), reference_at(CONTROL)
SOLUTION = tuple_type(intp, intp, f8, f8, f8, f8)


def run_cg(hvp, address, control, inverse, inverse_address, x, b, rtol, artol, most, s, work):
    """`conjugate_gradients` by address; inverse 0: no preconditioner. artol: for the same arguments as run_minres."""
    precondition = _hvp_at(inverse if inverse != 0 else hvp)
    found = conjugate_gradients(
        _hvp_at(hvp),
        precondition,
        inverse != 0,
        x,
        b,
        rtol,
        most,
        s,
        work,
        _control_at(control),
        (address, 0),
        (inverse_address, 0),
    )
    return found.end, found.steps, found.residual, found.length, found.curvature, found.norm


def run_minres(hvp, address, control, inverse, inverse_address, x, b, rtol, artol, most, s, work):
    """`minres` by address; inverse 0: no preconditioner."""
    precondition = _hvp_at(inverse if inverse != 0 else hvp)
    found = minimize_residual(
        _hvp_at(hvp),
        precondition,
        inverse != 0,
        x,
        b,
        rtol,
        artol,
        False,
        most,
        s,
        work,
        _control_at(control),
        (address, 0),
        (inverse_address, 0),
    )
    return found.end, found.steps, found.residual, found.length, found.curvature, found.norm


def run_lanczos(hvp, address, control, x, V, locked, n_smallest, n_largest, rtol, memory):
    """`lanczos` by address."""
    control = _control_at(control)
    found = find_ritz_pairs(_hvp_at(hvp), x, V, locked, n_smallest, n_largest, rtol, memory, control, (address, 0))
    smallest, largest = found.smallest, found.largest
    return found.end, found.steps, smallest, largest, found.smallest_error, found.largest_error, found.norm


def run_product(hvp, address, control, x, v, out):
    """One counted product."""
    product(_hvp_at(hvp), x, v, out, _control_at(control), (address, 0))
    return 0


SYSTEM = SOLUTION(intp, intp, intp, intp, intp, vector, vector, f8, f8, intp, vector, matrix)
ENTRIES = {
    run_cg: SYSTEM,
    run_minres: SYSTEM,
    run_lanczos: RITZ(intp, intp, intp, vector, matrix, intp, intp, intp, f8, vector),
    run_product: types.intp(intp, intp, intp, vector, vector, vector),
}


@functools.cache
def compiled_entry(entry):
    """The entry as Python calls it."""
    return entry_point(compiled(entry, ENTRIES[entry], "entry"))


class Vectors:
    """Vectors of length n of NumPy. Those on a device are in `backends.cuda_krylov`, with the same methods."""

    def __init__(self, n):
        self.n = n

    def new(self):
        """A vector that nothing has been written into."""
        return np.full(self.n, np.nan)

    def rows(self, count):
        """So many vectors, of arbitrary contents."""
        check_free_memory(count, self.n)
        return np.empty((count, self.n))

    def zeros(self):
        """A vector of zeros."""
        return np.zeros(self.n)

    def random(self, generator):
        """A vector of normal numbers."""
        return generator.standard_normal(self.n)

    def put(self, v, out):
        """out <- v."""
        out[:] = v

    def scaled(self, a, v):
        """The product of a number and a vector, a new vector."""
        return a * v

    def sum(self, v, a, w):
        """The vector v + a w, a new one."""
        return v + a * w

    def largest(self, v):
        """max |v_i|."""
        return float(np.max(np.abs(v)))

    def length(self, v):
        """|v|_2, whose square neither over- nor underflows."""
        return float(np.linalg.norm(v))

    def combined(self, S, V):
        """Unit vectors in the directions of the rows of S V."""
        vectors = S @ V
        return list(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))

    def columns(self, vectors):
        """The vectors as columns of a matrix."""
        return np.array(vectors).reshape(-1, self.n).T.copy()


class Here:
    """Problems with the user's vectors in NumPy: what was given becomes `vectors` and products."""

    def __init__(self, n):
        self.n, self.vectors = n, Vectors(n)

    def vector(self, name, value):
        """What the user gave for a vector."""
        return real_vector(name, value, self.n)

    def products(self, A, args=()):
        """The Products of what the user gave for a matrix."""
        return Products(operator_of(A, args, n=self.n), self.vectors)

    def inverse(self, M):
        """The Operator of what the user gave for a preconditioner."""
        return operator_of(diagonal(M), name="M", n=self.n)


class There:
    """The same with the user's vectors on a CUDA device."""

    def __init__(self, name, value, stream):
        from secondorder.backends import cuda, cuda_krylov  # on use: numba.cuda takes as long to import as all else

        cuda.check_available("an array on a device", "a copy of it in NumPy")
        self.n = cuda_krylov.vector(name, value).shape[0]
        self.vectors, self.checked = cuda_krylov.Vectors(self.n, stream), cuda_krylov.vector

    def vector(self, name, value):
        """What the user gave for a vector."""
        return self.checked(name, value, self.n)

    def products(self, A, args=()):
        """The Products of a function of the user's, or of an Operator."""
        return Products(self.vectors.operator("A", A, args), self.vectors)

    def inverse(self, M):
        """The Operator of a preconditioner: a function of the user's, or the vector of a diagonal."""
        return self.vectors.diagonal(self.vector("M", M)) if is_on_device(M) else self.vectors.operator("M", M)


def home_of(name, value, stream=None):
    """Here or There: where a vector of the user's is."""
    if is_on_device(value):
        return There(name, value, stream)
    if stream is not None:
        raise ValueError(f"stream={stream!r:.100} is for vectors on a CUDA device; {name} is not there")
    return Here(real_vector(name, value).size)


def norm(vectors, v):
    """|v|_2, whatever the size of v; nan where it is not finite."""
    size = vectors.largest(v)
    if not 0.0 < size < math.inf:
        return size if size == 0.0 else math.nan
    unit = power_of_two(size)
    return vectors.length(vectors.scaled(unit, v)) / unit


class Products:
    """An operator with the control block of one run: counts, scale, signals."""

    def __init__(self, operator, vectors):
        self.operator, self.vectors, self.x = operator, vectors, operator.point(vectors.n)
        self.counts, values, _ = control_numbers()
        self.counts[STOP], self.counts[STRIDE], self.counts[COUNTDOWN], self.counts[MAX_FUN] = RUNNING, 1, 1, 2**62
        size = operator.size  # of a matrix: its products are scaled, so that squares neither over- nor underflow
        self.scale = power_of_two(size) if not TINY <= size <= HUGE else 1.0
        values[SCALE] = self.scale
        self.in_python = operator.backend == "python"
        if operator.backend == "compiled" and threading.current_thread() is threading.main_thread():
            self.counts[SIGNALS] = 1
        self.control = Control(self.counts, values, np.empty(0), np.empty((0, 8)), np.empty(0))
        self.native = None if operator.backend == "cuda" else Native(self.control)

    def run(self, entry, *arguments):
        """The entry with this operator and these arguments: compiled, or the device's way."""
        if self.operator.backend == "cuda":
            return self.vectors.run(entry, self.operator, self.control, *arguments)
        function = compiled_entry(entry)
        self.call = lambda: function(self.operator.hvp, self.operator.data, self.native.address, *arguments)
        return interruptible(self) if self.in_python else self()

    def __call__(self):
        """The call that was prepared."""
        return self.call()

    def times(self, v):
        """The vector scale A v, a new one."""
        out = self.vectors.new()
        self.run(run_product, self.x, v, out)
        return out

    @property
    def count(self):
        """Products made."""
        return int(self.counts[N_HVP])


def power_of_two(size):
    """The power of two that brings a size into 1/2..1; 1 for a size that is zero or not finite."""
    return 2.0 ** min(-math.frexp(size)[1], 1000) if 0.0 < size < math.inf else 1.0


# ------------------------------------------------------------------------------------------------ linear systems


@dataclass(frozen=True)
class LinearSolution:
    """What `cg` and `minres` give.

    Attributes
    ----------
    x : ndarray, shape (n,)
        The solution, or the best that was reached.
    success : bool
        True where the tolerance is met, or where no x does better (`reason` "least squares").
    reason : str
        "converged", "least squares", "nonpositive curvature", "rounding", "maxiter", "not finite", "preconditioner".
    message : str
        A sentence with the numbers that matter.
    residual : float
        |b - A x|_2, computed anew from x.
    n_products : int
        Products with A, all of them.
    curvature : float
        v'Av / v'v: of minres the least of those of its residuals, of cg that of its last direction, or the least if it
        started more than once; nan before the first.
    direction : ndarray, shape (n,), or None
        Of cg, where the reason is "nonpositive curvature": the direction of it.
    norm : float
        max |A v| / |v| over all directions: a lower bound of |A|_2, and near it.
    """

    x: np.ndarray
    success: bool
    reason: str
    message: str
    residual: float
    n_products: int
    curvature: float
    direction: np.ndarray | None
    norm: float


def cg(A, b, x0=None, *, args=(), M=None, rtol=1e-8, atol=0.0, maxiter=None, stream=None):
    """Solve A x = b by conjugate gradients, A symmetric and positive definite.

    Parameters
    ----------
    A : array, sparse matrix, LinearOperator, callable or Operator
        Shape (n, n). A callable is ``A(v, out, *args)``, which writes A v into out and which Numba compiles; an
        Operator is what `hessian_at` gives. Only a LinearOperator, or a Hessian that can't be compiled, runs in Python.
    b : array_like, shape (n,)
        The right side. If it is float64 on a CUDA device, anything with ``__cuda_array_interface__``, everything stays
        there: A is then plain Python ``A(v, out, *args)``, which launches kernels on arrays of numba.cuda
        (docs/cuda.md), x0 and M are there too, and so is x of the result.
    x0 : array_like, shape (n,), optional
        Where to start; 0 if not given.
    args : tuple
        Further arguments of a callable A.
    M : as A, or array_like, shape (n,), optional
        The preconditioner, as in scipy: an approximation of the inverse of A, symmetric and positive definite; a vector
        is its diagonal.
    rtol, atol : float
        Stop at |b - A x|_2 <= max(rtol |b|_2, atol).
    maxiter : int, optional
        Products that may be made, besides the one that checks the result; max(1000, 10 n) if not given.
    stream : optional
        Where b is on a CUDA device, what all kernels are queued in: a stream of numba.cuda, CuPy or PyTorch, or its
        handle. Default: the default stream.

    Returns
    -------
    LinearSolution
        Where A is not positive definite `reason` is "nonpositive curvature" and `direction` shows it; x is then what
        was reached before.

    Examples
    --------
    >>> import numpy as np
    >>> import secondorder as so
    >>> def second_differences(v, out):
    ...     for i in range(v.size):
    ...         out[i] = 2.0 * v[i]
    ...         if i > 0:
    ...             out[i] -= v[i - 1]
    ...         if i < v.size - 1:
    ...             out[i] -= v[i + 1]
    >>> solution = so.cg(second_differences, np.ones(4))
    >>> solution.x.round(6).tolist(), solution.reason
    ([2.0, 3.0, 3.0, 2.0], 'converged')
    >>> so.cg(np.diag([1.0, -1.0]), [1.0, 2.0]).reason
    'nonpositive curvature'
    """
    system = System(A, b, x0, args, M, rtol, atol, maxiter, stream)
    return system.solve(run_cg, cg_kernel.N_VECTORS, cg_kernel.P)


def minres(A, b, x0=None, *, args=(), M=None, rtol=1e-8, atol=0.0, maxiter=None, stream=None):
    """Solve A x = b by MINRES, A symmetric: indefinite or singular too.

    Without a solution x makes |b - A x|_2 the least, to the extent that rounding lets it: `reason` is "least squares".

    Parameters
    ----------
    A, b, x0, args, M, rtol, atol, maxiter, stream
        As in `cg`; M has to be positive definite.

    Returns
    -------
    LinearSolution
        `curvature` > 0 for each A that is positive definite; <= 0 shows that A isn't.

    Examples
    --------
    >>> import numpy as np
    >>> import secondorder as so
    >>> so.minres(np.diag([1.0, -2.0]), [1.0, 2.0]).x.round(6).tolist()
    [1.0, -1.0]
    >>> solution = so.minres(np.diag([1.0, 0.0]), [1.0, 2.0])
    >>> solution.reason, solution.residual
    ('least squares', 2.0)
    """
    system = System(A, b, x0, args, M, rtol, atol, maxiter, stream)
    return system.solve(run_minres, minres_kernel.N_VECTORS, None)


class System:
    """A linear system with its checked arguments."""

    def __init__(self, A, b, x0, args, M, rtol, atol, maxiter, stream):
        home = home_of("b", b, stream if stream is not None else getattr(A, "stream", None))
        self.b, self.vectors, self.products = home.vector("b", b), home.vectors, home.products(A, args)
        self.inverse = home.inverse(M) if M is not None else None
        self.x = self.vectors.zeros() if x0 is None else self.vectors.scaled(1.0, home.vector("x0", x0))
        self.started = x0 is not None
        self.rtol, self.atol = tolerance("rtol", rtol), tolerance("atol", atol)
        self.most = steps_allowed(maxiter, max(1000, 10 * home.n))

    def solve(self, entry, n_vectors, direction_row):
        """Run the kernel until the residual of x itself meets the tolerance, or half of it can't be had any more."""
        vectors, products, inverse = self.vectors, self.products, self.inverse
        work, s = vectors.rows(n_vectors), vectors.zeros()
        hvp, data = (inverse.hvp, inverse.data) if inverse is not None else (0, 0)
        r = self.residual() if self.started else self.b
        size = norm(vectors, r)
        target = max(self.rtol * norm(vectors, self.b), self.atol)
        curvature, top, direction = math.nan, 0.0, None
        while True:
            unit = power_of_two(vectors.largest(r))
            most, rtol = self.most - products.count, target / size if size > target else 1.0
            right = vectors.scaled(unit, r)
            arguments = (hvp, data, products.x, right, rtol, minres_kernel.ARTOL, max(most, 0), s, work)
            found = Solution(*products.run(entry, *arguments))
            end, before = found.end, size
            if end == STOPPED:
                raise KeyboardInterrupt("secondorder was interrupted")
            curvature = smaller(curvature, found.curvature / products.scale)
            top = max(top, found.norm / products.scale)
            if end == NONPOSITIVE_CURVATURE:
                direction = vectors.scaled(1.0, work[direction_row])
            if vectors.largest(s) != 0.0:  # nan is not
                x = self.x
                self.x = vectors.sum(x, products.scale / unit, s)
                r = self.residual()
                size = norm(vectors, r)
                if entry is run_minres and not size <= before:  # the error of x grows with the square of A's condition
                    self.x, size = x, before
            if end != CONVERGED or size <= target:
                break
            if not size <= 0.5 * before:
                end = ROUNDING
                break
        return self.solution(end, size, target, curvature, direction, top)

    def residual(self):
        """The vector b - A x."""
        return self.vectors.sum(self.b, -1.0 / self.products.scale, self.products.times(self.x))

    def solution(self, end, size, target, curvature, direction, top):
        """In words."""
        if end in (MAX_STEPS, LEAST_SQUARES) and size <= target:
            end = CONVERGED
        success, name, sentence = ENDS[end]
        message = f"{sentence}: |b - A x| = {size:.3g}, tolerance {target:.3g}, {self.products.count} products"
        if end == NONPOSITIVE_CURVATURE:
            message += f"; p'Ap / p'p = {curvature:.3g}. minres solves indefinite systems"
        return LinearSolution(self.x, success, name, message, size, self.products.count, curvature, direction, top)


def diagonal(M):
    """A vector as the diagonal matrix that multiplies by it, everything else as it is."""
    if callable(M) or (hasattr(M, "shape") and len(M.shape) != 1):
        return M
    given = np.asarray(M)
    if given.ndim != 1:
        return M
    from scipy.sparse import diags_array

    return diags_array(real_vector("M", M))


def smaller(a, b):
    """The smaller of two numbers of which either may be nan."""
    return b if math.isnan(a) or b < a else a


def tolerance(name, value):
    """The value if it is a tolerance."""
    if not isinstance(value, int | float | np.number) or not 0.0 <= value < math.inf:
        raise ValueError(f"{name} must be a number >= 0; it is {value!r}")
    return float(value)


def steps_allowed(maxiter, default):
    """maxiter as a number of products."""
    if maxiter is None:
        return default
    if not isinstance(maxiter, int | np.integer) or isinstance(maxiter, bool) or maxiter < 1:
        raise ValueError(f"maxiter must be an integer >= 1; it is {maxiter!r}")
    return int(maxiter)


# -------------------------------------------------------------------------------------------------- eigenvalues


@dataclass(frozen=True)
class Eigenpairs:
    """What `lanczos` gives.

    Attributes
    ----------
    values : ndarray, shape (k,)
        Eigenvalues, ascending; fewer than k where the run was cut short.
    vectors : ndarray, shape (n, k)
        Their unit vectors, as columns.
    errors : ndarray, shape (k,)
        |A v - w v|_2 of each: an eigenvalue of A lies within that of w.
    success : bool
        True where all errors are <= rtol |A|.
    reason : str
        "converged", "invariant subspace", "maxiter", "not finite".
    message : str
        A sentence with the numbers that matter.
    n_products : int
        Products with A.
    norm : float
        max |A v| / |v| over all products: a lower bound of |A|_2, and near it.
    """

    values: np.ndarray
    vectors: np.ndarray
    errors: np.ndarray
    success: bool
    reason: str
    message: str
    n_products: int
    norm: float


WHICH = {"smallest": (1, 0), "largest": (0, 1), "both": (1, 1)}


def lanczos(A, k=1, which="smallest", *, args=(), n=None, v0=None, seed=0, rtol=1e-8, maxiter=None, stream=None):
    """Extreme eigenvalues of a symmetric A, with error bounds, by Lanczos' method with full reorthogonalisation.

    Parameters
    ----------
    A : array, sparse matrix, LinearOperator, callable or Operator
        As in `cg`; it may be indefinite or singular.
    k : int
        How many.
    which : {"smallest", "largest", "both"}
        The k smallest, the k largest, or k of each; by their value, not by their size.
    args : tuple
        Further arguments of a callable A.
    n : int, optional
        The size of A, for a callable A without v0.
    v0 : array_like, shape (n,), optional
        The first vector; random if not given. It must not be orthogonal to the vectors that are looked for. If it is
        float64 on a CUDA device, all vectors are, and A is a function as in `cg`. (A Hessian there needs no v0.)
    seed : int
        Of the random vectors.
    rtol : float
        Stop at |A v - w v|_2 <= rtol |A|_2, for all pairs.
    maxiter : int, optional
        Products that may be made, and vectors that are kept; min(n, 200 + 10 k) if not given.
    stream : optional
        As in `cg`, where v0 is on a CUDA device.

    Returns
    -------
    Eigenpairs
        An eigenvalue that repeats may be given once, as in any method that starts from one vector; where the start's
        subspace is found to be invariant (the identity, say), others are looked for beside it.

    Examples
    --------
    >>> import numpy as np
    >>> import secondorder as so
    >>> pairs = so.lanczos(np.diag(np.arange(1.0, 101.0)), 2, "both")
    >>> pairs.values.round(6).tolist(), pairs.success
    ([1.0, 2.0, 99.0, 100.0], True)
    """
    if which not in WHICH:
        raise ValueError(f"which={which!r} is not known; it is one of {', '.join(map(repr, WHICH))}")
    if stream is None:
        stream = getattr(A, "stream", None)  # that of a Hessian on a device
    if v0 is not None:
        home = home_of("v0", v0, stream)
    elif getattr(A, "backend", None) == "cuda":
        home = There("A", A.x, stream)
    elif stream is not None:
        raise ValueError(f"stream={stream!r:.100} is for vectors on a CUDA device: v0 would have to be there")
    else:
        A, args = operator_of(A, args, n=n), ()
        if (A.n or n) is None:
            raise ValueError("a function for A doesn't say how long its vectors are; pass n= or v0=")
        home = Here(A.n or n)
    start = None if v0 is None else home.vector("v0", v0)
    products, n = home.products(A, args), home.n
    sides = WHICH[which]
    k = pairs_asked(k, n, sum(sides))
    tolerance("rtol", rtol)
    most = min(steps_allowed(maxiter, 200 + 10 * k), n)
    return Search(products, k, sides, start, np.random.default_rng(seed), float(rtol), most).run()


def pairs_asked(k, n, sides):
    """k as a number of eigenvalues of each side."""
    if not isinstance(k, int | np.integer) or isinstance(k, bool) or not 1 <= sides * k <= n:
        raise ValueError(f"k must be an integer from 1 to {n // sides}, for n = {n}; it is {k!r}")
    return int(k)


class Search:
    """A run of `lanczos`: once, or where subspaces turn out to be invariant, once more in what is beside them."""

    def __init__(self, products, k, sides, start, random, rtol, most):
        self.products, self.vectors, self.k, self.sides = products, products.vectors, k, sides
        self.start, self.random, self.rtol, self.most = start, random, rtol, most

    def run(self):
        """The Eigenpairs."""
        vectors, most = self.vectors, self.most
        V = vectors.rows(most + 1)
        memory = np.empty(lanczos_kernel.memory_size(most))
        pairs, locked, top = (np.empty(0), np.empty(0), []), 0, 0.0
        while True:
            if self.start is not None and locked == 0:
                vectors.put(vectors.scaled(power_of_two(vectors.largest(self.start)), self.start), V[0])
            else:
                vectors.put(vectors.random(self.random), V[locked])
            ritz = self.once(V, locked, memory)
            if ritz.end == STOPPED:
                raise KeyboardInterrupt("secondorder was interrupted")
            if ritz.steps == 0 or math.isnan(ritz.smallest):
                return self.pairs(ritz.end, pairs, top)
            top = max(top, ritz.norm)
            pairs, improved = self.merged(pairs, self.wanted_of(V, locked, memory, ritz.steps))
            # from a random start the extreme values are all there, if one of each is enough
            alone = ritz.end != INVARIANT or (self.start is None and self.k * sum(self.sides) == 1)
            locked += ritz.steps
            if alone or not improved or locked >= most:
                return self.pairs(ritz.end, pairs, top)

    def once(self, V, locked, memory):
        """Run the kernel."""
        low, high = (min(self.k, self.most - locked) * side for side in self.sides)
        return Ritz(*self.products.run(run_lanczos, self.products.x, V, locked, low, high, self.rtol, memory))

    def wanted_of(self, V, locked, memory, steps):
        """(values, errors, list of vectors) of the wanted pairs of the last run."""
        most = self.most - locked
        chosen = self.chosen(steps)
        values, errors = memory[:steps][chosen], memory[most : most + steps][chosen]
        S = memory[4 * most : 4 * most + steps * steps].reshape(steps, steps)[chosen]
        return values, errors, self.vectors.combined(S, V[locked : locked + steps])

    def chosen(self, count):
        """Which of so many values in ascending order are wanted."""
        low, high = (self.k * side for side in self.sides)
        return [i for i in range(count) if i < low or i >= count - high]

    def merged(self, old, new):
        """The wanted pairs among both, and whether a new one is among them."""
        values, errors, vectors = np.append(old[0], new[0]), np.append(old[1], new[1]), old[2] + new[2]
        order = np.argsort(values, kind="stable")
        order = order[self.chosen(order.size)]
        return (values[order], errors[order], [vectors[k] for k in order]), bool(np.any(order >= old[0].size))

    def pairs(self, end, pairs, top):
        """In words."""
        values, errors, vectors = pairs
        if end == INVARIANT and values.size < self.k * sum(self.sides):
            end = MAX_STEPS
        if end == MAX_STEPS and values.size == self.k * sum(self.sides) and np.max(errors) <= self.rtol * top:
            end = CONVERGED
        success, name, sentence = ENDS[end]
        unit = self.products.scale
        values, errors, top = values / unit, errors / unit, top / unit
        largest = f"{np.max(errors):.3g}" if errors.size else "nan"
        message = (
            f"{sentence}: |A v - w v| <= {largest}, tolerance {self.rtol * top:.3g}, {self.products.count} products"
        )
        columns = self.vectors.columns(vectors)
        return Eigenpairs(values, columns, errors, success, name, message, self.products.count, top)
