"""FiniteSum: the mean of a term over the rows of data, as an objective of every method and of `fit`."""

import functools
import inspect

import numpy as np

from secondorder.backends import threads, updates
from secondorder.derivatives.row_sums import RowSum, misfit, nothing
from secondorder.jit import plain
from secondorder.minimize import masked, start_vector
from secondorder.objective import typed_objective

MAX_ARRAYS = 3
SHARED = 1_000_000  # numbers of data from which threads take part: then a pass takes half a millisecond and more


def mean_over_one(term, regularizer):
    """f(x, a, batch) for data of one array."""

    def mean(x, a, batch):
        s = 0.0
        for k in range(batch[0]):
            s += term(x, a[batch[k + 1]])
        return s / batch[0] + regularizer(x)

    return mean


def mean_over_two(term, regularizer):
    """f(x, a, b, batch) for data of two arrays."""

    def mean(x, a, b, batch):
        s = 0.0
        for k in range(batch[0]):
            s += term(x, a[batch[k + 1]], b[batch[k + 1]])
        return s / batch[0] + regularizer(x)

    return mean


def mean_over_three(term, regularizer):
    """f(x, a, b, c, batch) for data of three arrays."""

    def mean(x, a, b, c, batch):
        s = 0.0
        for k in range(batch[0]):
            s += term(x, a[batch[k + 1]], b[batch[k + 1]], c[batch[k + 1]])
        return s / batch[0] + regularizer(x)

    return mean


def array_of(given, k, several):
    """Array k of the data, contiguous, in float64 if it holds other floats, or an error with its number."""
    which = f"array {k + 1} of data" if several else "data"
    if masked(given):
        raise TypeError(
            f"{which} is a masked array with masked elements; leave such rows out, or let the term skip them"
        )
    try:
        array = np.asarray(given)
    except ValueError as error:
        raise ValueError(f"{which} is no array: {error}. Several arrays come as a tuple: (X, y)") from error
    if array.dtype.kind not in "fiub":
        dense = "; take its toarray()" if hasattr(given, "toarray") else ""
        raise TypeError(f"{which} must be an array of real numbers; its type is {array.dtype}{dense}")
    if array.ndim == 0:
        raise ValueError(f"{which} has no rows, it is the number {array}; let the term capture it instead")
    kind = np.float64 if array.dtype.kind == "f" else array.dtype.newbyteorder("=")
    return np.ascontiguousarray(array, kind)


def check_takes(name, function, count, what):
    """TypeError unless the function can be called with so many arguments."""
    try:
        signature = inspect.signature(plain(function))
    except (TypeError, ValueError):  # builtins have none
        return
    try:
        signature.bind(*range(count))
    except TypeError as error:
        raise TypeError(f"{name}{signature} must take {count} arguments, {what}: {error}") from None


class FiniteSum:
    """f(x) = mean over i of term(x, row i) + regularizer(x).

    `value`, `gradient` and `hvp` are over all rows.
    Every method of `minimize` takes it in place of fun, with args left out: the full batch. `fit` makes stochastic
    steps on it. Gradients and Hessian products are those of `minimize`: exact, generated from the source of the term.
    The full batch is summed over chunks of rows in a fixed order, from a million numbers of data on by all of Numba's
    threads (`numba.set_num_threads`): any number of threads gives the same bits.

    Parameters
    ----------
    term : callable
        ``term(x, row) -> float``, or ``term(x, row_a, row_b)`` for data of several arrays: plain Python that can be
        differentiated (docs/differentiable.md), or an `@njit` function.
    data : ndarray or tuple of up to three ndarrays
        Of the same first length N; the term gets element i of each: a row of a matrix, a number of a vector. Floats of
        other sizes are converted to float64, which x has: np.dot takes no mixture.
    regularizer : callable, optional
        ``regularizer(x) -> float``, added once, whatever the batch.

    Raises
    ------
    TypeError, ValueError
        If the term is no function of x and a row of each array, or the data are no arrays of one first length.

    Examples
    --------
    Logistic regression by a second-order method, and by stochastic steps:

    >>> import numpy as np
    >>> import secondorder as so
    >>> random = np.random.default_rng(0)
    >>> X = random.standard_normal((500, 3))
    >>> y = (X @ [1.0, -2.0, 0.5] + 0.5 * random.standard_normal(500) > 0) * 1.0
    >>> def term(w, row, label):
    ...     z = np.dot(row, w)
    ...     return np.logaddexp(0.0, z) - label * z
    >>> risk = so.FiniteSum(term, (X, y), regularizer=lambda w: 0.01 * np.dot(w, w))
    >>> exact = so.minimize(risk, np.zeros(3), method="newton-cg")
    >>> fitted = so.fit(risk, np.zeros(3), method="adam", options={"lr": 0.02}, batch_size=50, epochs=30)
    >>> bool(fitted.fun < exact.fun + 1e-3)
    True
    """

    def __init__(self, term, data, regularizer=None):
        if not callable(term):
            raise TypeError(f"term must be callable as term(x, row); it is {term!r:.100}")
        if regularizer is not None and not callable(regularizer):
            raise TypeError(f"regularizer must be callable as regularizer(x); it is {regularizer!r:.100}")
        data = data if isinstance(data, tuple) else (data,)
        if not 1 <= len(data) <= MAX_ARRAYS:
            raise ValueError(f"data must be one to {MAX_ARRAYS} arrays; there are {len(data)}")
        self.data = tuple(array_of(array, k, len(data) > 1) for k, array in enumerate(data))
        lengths = [len(array) for array in self.data]
        if len(set(lengths)) != 1 or 0 in lengths:
            shown = ", ".join(map(str, lengths))
            raise ValueError(f"the arrays of data must have the same first length, at least 1; they have {shown}")
        check_takes("term", term, 1 + len(data), f"x and a row of each array of data, which are {len(data)}")
        if regularizer is not None:
            check_takes("regularizer", regularizer, 1, "x")
        make = (mean_over_one, mean_over_two, mean_over_three)[len(data) - 1]
        self.term, self.regularizer = term, nothing if regularizer is None else regularizer
        self.function = make(term, self.regularizer)

    def value(self, x):
        """f at x, the mean over all rows.

        Parameters
        ----------
        x : array_like, shape (n,)

        Returns
        -------
        float

        Examples
        --------
        >>> import numpy as np
        >>> import secondorder as so
        >>> spread = so.FiniteSum(lambda x, row: np.dot(x - row, x - row), np.array([[0.0, 1.0], [2.0, 3.0]]))
        >>> spread.value([1.0, 2.0]), spread.gradient([1.0, 3.0]), spread.hvp([1.0, 2.0], [1.0, 0.0])
        (2.0, array([0., 2.]), array([2., 0.]))
        """
        return self._whole(start_vector(x, "x"))

    def gradient(self, x):
        """The gradient at x over all rows.

        Parameters
        ----------
        x : array_like, shape (n,)

        Returns
        -------
        ndarray, shape (n,)
        """
        x = start_vector(x, "x")
        g = np.empty(x.size)
        self._whole(x, g)
        return g

    def hvp(self, x, v):
        """The Hessian at x over all rows, times v.

        Parameters
        ----------
        x, v : array_like, shape (n,)

        Returns
        -------
        ndarray, shape (n,)

        Raises
        ------
        ValueError
            If v has another length than x.
        """
        x, v = start_vector(x, "x"), start_vector(v, "v")
        if x.size != v.size:
            raise ValueError(f"v has length {v.size}; x has {x.size}: they must be the same")
        out = np.empty(x.size)
        self._with_products.multiply(x, v, out)
        return out

    @functools.cached_property
    def _whole(self):
        return Whole(self)

    @functools.cached_property
    def _with_products(self):
        return Whole(self, ("grad", "hvp"))

    def __repr__(self):
        shapes = ", ".join(str(array.shape) for array in self.data)
        return f"FiniteSum({getattr(self.term, '__name__', self.term)}, data of shape {shapes})"

    def __len__(self):
        return len(self.data[0])

    def args_for(self, batch):
        """The arguments of `function` beside x: the data and a batch, an array of int64 as in `updates.epochs`."""
        return (*self.data, batch)

    def as_objective(self, args=()):
        """(function, args) of the full batch; with threads where they help and are safe, which changes no bit."""
        if type(args) is not tuple or args:
            raise ValueError(f"args={args!r:.100} beside {self!r}, whose data are its arguments; leave args out")
        shared = sum(array.size for array in self.data) >= SHARED and threads.useful()
        return RowSum(self.term, self.regularizer, len(self.data), shared), self.data


class Whole:
    """f over all rows of a FiniteSum, as a function of x."""

    def __init__(self, finite_sum, needs=("grad",)):
        function, args = self.given = finite_sum.as_objective()
        typed, kind = typed_objective((function, None, None, None), args, needs)
        self.typed, self.bound = typed, typed.bind(args, kind)

    def __call__(self, x, g=None):
        """The value; g <- the gradient."""
        try:
            return updates.value_at(self.typed.fun_grad, x, np.empty(x.size) if g is None else g, self.bound.address)
        except Exception:
            self.check(x)
            raise

    def multiply(self, x, v, out):
        """out <- H v."""
        self(x)  # it finds what does not fit; a product has no guards
        updates.product_at(self.typed.hvp, x, v, out, self.bound.address)

    def check(self, x, name="x"):
        """An error that names shapes and numbers if the first row of the data does not go with x."""
        found = misfit(*self.given, x, name)
        if found is not None:
            raise found from None
