"""A test problem: a function with its derivatives, its standard start and its known answers.

The three functions of a problem are kernels: plain loops over array views with `math`, no allocation, no exception, no
NumPy call. So one text runs under CPython, `numba.njit(error_model="numpy")` and CUDA, and none of them may call
another Python function: what value, gradient and Hessian product have in common is written out in each.

    fun(x) -> f                 x (n,)
    fun_grad(x, g) -> f         g <- grad f(x), every entry; the same bits of f as fun(x)
    hvp(x, v, out)              out <- hess f(x) v, every entry; v is not out

Outside its domain a function returns nan and fills its output with nan.

References
----------
[1] More, Wild. Benchmarking derivative-free optimization algorithms. SIAM Journal on Optimization 20 (2009) 172-191.
    doi:10.1137/080724083. Equation (2.2), the test of convergence.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

TRAITS = {
    "badly-scaled": "variables or values differ by many orders of magnitude",
    "convex": "convex on its whole domain",
    "degenerate": "has a stationary point that second derivatives don't tell from a minimum",
    "ill-conditioned": "at the usual size the Hessian at the minimizer has a condition number of 1e6 or more",
    "least-squares": "a sum of squares",
    "many-minima": "has known local minima, or known minimizers apart from one another",
    "nan-domain": "nan outside an open set",
    "nonconvex": "not convex",
    "offset": "a large constant is added: differences of f cancel",
    "quadratic": "a quadratic polynomial",
    "saddle": "starts at a saddle, or where steepest descent in exact arithmetic leads to one",
    "singular": "the Hessian is singular at a minimizer",
    "unbounded": "unbounded below",
}


@dataclass(frozen=True)
class Sizes:
    """The permitted numbers of variables: `n in sizes`; str(sizes) is the rule in words."""

    least: int = 1
    most: int | None = None
    multiple_of: int = 1

    def __contains__(self, n):
        """Whether n is an integer that keeps the rule."""
        if not isinstance(n, int | np.integer) or isinstance(n, bool):
            return False
        return n >= self.least and (self.most is None or n <= self.most) and n % self.multiple_of == 0

    def __str__(self):
        """The rule, to follow 'n must be'."""
        if self.least == self.most:
            return f"exactly {self.least}"
        rules = []
        if self.multiple_of == 2:
            rules.append("even")
        elif self.multiple_of > 2:
            rules.append(f"a multiple of {self.multiple_of}")
        if self.least > self.multiple_of or not rules:
            rules.append(f"at least {self.least}")
        if self.most is not None:
            rules.append(f"at most {self.most}")
        return " and ".join(rules)


def exactly(n):
    """One size only."""
    return Sizes(least=n, most=n)


def at_least(n):
    """Every size from n on."""
    return Sizes(least=n)


def multiple_of(k):
    """Sizes k, 2 k, 3 k, .."""
    return Sizes(least=k, multiple_of=k)


def point(*values):
    """A start for every size that is a multiple of len(values): the values, repeated."""
    return lambda n: np.tile(np.array(values, dtype=np.float64), n // len(values))


def points(*rows):
    """Known minimizers of a problem of one size."""
    return lambda n: np.array(rows, dtype=np.float64).reshape(len(rows), n)


def none_known(n):
    """No minimizer is known to machine precision."""
    return np.empty((0, n))


@dataclass(frozen=True, repr=False)
class Problem:
    """A function and what is known of it: the fields make a row, the methods answer for a size n or the usual one."""

    name: str  # the key in PROBLEMS, lower case with hyphens
    fun: Callable  # fun(x) -> f
    fun_grad: Callable  # fun_grad(x, g) -> f
    hvp: Callable  # hvp(x, v, out)
    start: Callable  # start(n) -> (n,), the standard start; x0() checks n first
    n: int  # the size when none is asked for
    sizes: Sizes  # the permitted sizes
    f_star: float | Callable | None  # least value, or n -> least value; None: unknown, or unbounded below
    traits: frozenset[str]  # words of TRAITS
    reference: str  # where it comes from, with the number it has there
    x_star: Callable = none_known  # x_star(n) -> (k, n): minimizers known by formula or to machine precision
    f_local: tuple[float, ...] | Callable = ()  # values of local minima above the least value, or n -> values
    f_saddle: tuple[float, ...] | Callable = ()  # values of stationary points that are no minima, or n -> values

    def __repr__(self):
        """Short: pytest makes test names of it."""
        return f"Problem({self.name!r})"

    def size(self, n=None):
        """n, or the usual size if n is None. ValueError if the problem has no such size."""
        if n is None:
            return self.n
        if n not in self.sizes:
            raise ValueError(f"problem {self.name!r} has no size n={n!r}: n must be {self.sizes}")
        return int(n)

    def x0(self, n=None):
        """The standard start (n,), a new array."""
        return self.start(self.size(n))

    def minimum(self, n=None):
        """The least value at size n; None if it is unknown or there is none."""
        n = self.size(n)
        return self.f_star(n) if callable(self.f_star) else self.f_star

    def minimizers(self, n=None):
        """Known global minimizers (k, n); k = 0 if none is known to machine precision."""
        return self.x_star(self.size(n))

    def local_minima(self, n=None):
        """Known values of local minima above the minimum; every method may truthfully end there."""
        n = self.size(n)
        return self.f_local(n) if callable(self.f_local) else self.f_local

    def saddles(self, n=None):
        """Known values at stationary points that are no minima; a method without curvature may truthfully end there."""
        n = self.size(n)
        return self.f_saddle(n) if callable(self.f_saddle) else self.f_saddle

    def solved(self, f, n=None, tau=1e-8):
        """Whether f is the minimum or a known local minimum f*: |f - f*| <= tau (f(x0) - f*) + 8 eps |f*|, after [1].

        False if no value is known.
        """
        f0 = self.fun(self.x0(n))
        known = [value for value in (self.minimum(n), *self.local_minima(n)) if value is not None]
        return any(abs(f - value) <= tau * abs(f0 - value) + 8 * math.ulp(1.0) * abs(value) for value in known)

    def gradient(self, x):
        """grad f(x), a new array."""
        g = np.empty_like(x)
        self.fun_grad(x, g)
        return g

    def hessian(self, x):
        """hess f(x) (n, n), column by column from n Hessian products."""
        columns = np.empty((x.shape[0], x.shape[0]))
        for j, e in enumerate(np.eye(x.shape[0])):
            self.hvp(x, e, columns[j])
        return columns.T
