r"""Given derivatives against differences: check_derivatives, and the test that minimize(check_grad=True) makes.

Along a direction d, central differences over a ladder of steps h = 4^-1 .. 4^-18, extrapolated once [1, section 5.7]:

    D(h) = (F(x + h d) - F(x - h d)) / (2 h)             error  O(h^2) + noise / h
    R(h) = (16 D(h / 4) - D(h)) / 15                     error  O(h^4) + noise / h
    u(h) = |R(h) - D(h / 4)| + |R(h) - R(4 h)| + 4 eps (|F| + |D|) / h      what R may be wrong by

The best step is that of the least u. A given value v is *wrong* if

    |v - R| > rtol max(|v|, |R|, largest / 100)   and   |v - R| > 100 u

where largest is the largest entry of the gradient (of the product). What differences can't decide is never called
wrong: where F is noisy or not finite u is large; and at a kink the slopes to both sides, (F(x + h d) - F(x)) / h and
(F(x) - F(x - h d)) / h, go on differing while h falls, and any value between them is right.

Second derivatives are compared with differences of the gradient.

References
----------
[1] Press, Teukolsky, Vetterling, Flannery. Numerical Recipes, 3rd ed. Cambridge, 2007. Section 5.7.
"""

from typing import NamedTuple

import numpy as np

from secondorder.objective import DIFFERENCES, Objective

EPS = 2.0**-52
STEPS = 4.0 ** -np.arange(1, 19)
MANY = 100  # of more variables only so many components are compared, chosen at random, and some directions
CHEAP = 50  # variables up to which minimize(check_grad=True) compares each component
RTOL_CHEAP = 1e-3
DIRECTIONS = 3
ROWS = 12  # of the printed table


class Compared(NamedTuple):
    """One number against differences."""

    what: str  # gradient, hessp or hess
    component: object  # an index, a pair of indices, or a direction
    given: float
    differences: float
    uncertainty: float
    error: float  # relative
    verdict: str  # ok, wrong, kink or unknown


class DerivativeCheck:
    """What `check_derivatives` found.

    Attributes
    ----------
    ok : bool
        Nothing is wrong.
    worst : Compared
        The comparison with the largest relative error among those that are wrong; if none is, among all that could be
        made.
    compared : list of Compared
    """

    def __init__(self, compared):
        self.compared = compared
        self.ok = all(c.verdict != "wrong" for c in compared)

    @property
    def worst(self):
        """The worst comparison, or None where none could be made."""
        return min((c for c in self.compared if c.verdict in ("ok", "wrong")), key=rank, default=None)

    def __repr__(self):
        rows = sorted(self.compared, key=rank)
        head = f"{'':>9} {'component':>14} {'given':>24} {'differences':>24} {'+-':>8} {'error':>8}"
        lines = [
            f"{c.what:>9} {c.component!s:>14} {c.given:24.16g} {c.differences:24.16g} {c.uncertainty:8.0e} "
            f"{c.error:8.0e}  {c.verdict}"
            for c in rows[:ROWS]
        ]
        left = [f"and {len(rows) - ROWS} more"] if len(rows) > ROWS else []
        n_wrong = sum(c.verdict == "wrong" for c in rows)
        verdict = "all agree" if self.ok else f"{n_wrong} are wrong"
        return "\n".join([f"{len(rows)} numbers compared with differences: {verdict}", head, *lines, *left])


def rank(c):
    """Sorts the worst first."""
    return {"wrong": 0, "ok": 1, "kink": 2, "unknown": 3}[c.verdict], -c.error


# ------------------------------------------------------------------------------------------------ differences


class Difference(NamedTuple):
    """The derivative of F along a direction, entry by entry."""

    value: np.ndarray
    uncertainty: np.ndarray  # inf: F is not finite beside x
    kink: np.ndarray  # the slopes to both sides differ


def difference(F, x, d, enough=None):
    """The Difference of F: R^n -> R^m at x along d, whose entries are about as long as those of x, or 1.

    enough: Difference -> bool: stop going down the ladder.
    """
    here = F(x)
    best = Difference(np.full(here.shape, np.nan), np.full(here.shape, np.inf), np.zeros(here.shape, bool))
    previous, before, gaps = None, None, []
    for h in STEPS:
        up, down = beside(F, x + h * d, here), beside(F, x - h * d, here)
        central = (up - down) / (2.0 * h)
        gaps.append((up - 2.0 * here + down) / h)
        noise = 4.0 * EPS * (np.maximum(np.abs(up), np.abs(down)) + np.abs(central)) / h
        if previous is not None:
            value = central + (central - previous) / 15.0
            uncertainty = np.abs(value - central) + noise
            if before is not None:
                uncertainty += np.abs(value - before)
            better = uncertainty < best.uncertainty
            best = Difference(
                np.where(better, value, best.value),
                np.where(better, uncertainty, best.uncertainty),
                is_kink(gaps, noise, best.kink),
            )
            if enough is not None and enough(best):
                break
            before = value
        previous = central
    return best


def is_kink(gaps, noise, before):
    """Do the slopes to both sides differ by about the same at the last three steps? For smooth F they fall with h.

    before: the answer of the step before, which stands where noise would hide it.
    """
    if len(gaps) < 3:
        return before
    first, second, last = (np.abs(g) for g in gaps[-3:])
    alike = (last > 0.7 * second) & (last < 1.4 * second) & (second > 0.7 * first) & (second < 1.4 * first)
    return np.where(first > 10.0 * noise, alike, before)


def beside(F, x, like):
    """F(x), nan where Python raises for numbers outside the domain."""
    try:
        with np.errstate(all="ignore"):
            return F(x)
    except (ArithmeticError, ValueError):
        return np.full(like.shape, np.nan)


def compare(what, component, given, found, rtol, largest):
    """The Compared of one number."""
    value, uncertainty, kink = (part.item() for part in found)
    gap = abs(given - value)
    scale = max(abs(given), abs(value), 0.01 * largest)
    error = gap / scale if scale > 0.0 else 0.0
    if not np.isfinite(uncertainty):
        verdict = "unknown"
    elif not np.isfinite(given):
        verdict, error = "wrong", np.inf
    elif not (gap > rtol * scale and gap > 100.0 * uncertainty):
        verdict = "ok"
    else:
        verdict = "kink" if kink else "wrong"
    return Compared(what, component, float(given), value, uncertainty, error, verdict)


# ------------------------------------------------------------------------------------------- what the user gave


class Functions:
    """fun, jac, hessp and hess, whatever their form, as Python functions of x."""

    def __init__(self, fun, jac, hessp, hess, args):
        self.fun, self.jac, self.args = fun, jac, args
        self.given_hessp, self.given_hess = hessp, hess
        if isinstance(fun, Objective):
            self.given_hessp, self.given_hess = self.in_place(fun.hvp, 1), self.in_place(fun.hess, 2)
        elif jac is None or jac == "exact":
            from secondorder.derivatives.transforms import grad  # on use: it brings the front end

            self.jac = grad(fun)

    def in_place(self, function, ndim):
        """A function that writes its result as one that returns it."""
        if function is None:
            return None

        def returned(x, *rest):
            out = np.full((x.size,) * ndim, np.nan)
            function(x, *rest[: 2 - ndim], out, *rest[2 - ndim :])
            return out

        return returned

    def value(self, x):
        """f(x), shape (1,)."""
        if isinstance(self.fun, Objective):
            if self.fun.fun is not None:
                return as_vector(self.fun.fun(x.copy(), *self.args))
            return as_vector(self.fun.fun_grad(x.copy(), np.empty_like(x), *self.args))
        f = self.fun(x.copy(), *self.args)
        return as_vector(f[0] if self.jac is True else f)

    def gradient(self, x):
        """The gradient, shape (n,)."""
        if isinstance(self.fun, Objective):
            g = np.full(x.size, np.nan)
            self.fun.fun_grad(x.copy(), g, *self.args)
            return g
        g = self.fun(x.copy(), *self.args)[1] if self.jac is True else self.jac(x.copy(), *self.args)
        g = np.asarray(g, np.float64)
        if g.shape != x.shape:
            raise ValueError(f"the gradient must have shape {x.shape}, as x; it has {g.shape}")
        return g

    def hessp(self, x, v):
        """The product with the Hessian, shape (n,)."""
        return np.asarray(self.given_hessp(x.copy(), v.copy(), *self.args), np.float64)

    def hess(self, x):
        """The Hessian, shape (n, n)."""
        H = self.given_hess(x.copy(), *self.args)
        return np.asarray(H.toarray() if hasattr(H, "toarray") else H, np.float64)


def as_vector(f):
    """A number as an array of one entry."""
    return np.asarray(f, np.float64).reshape(1)


def unit(x, i):
    """The i-th axis, as long as its step should be."""
    d = np.zeros(x.size)
    d[i] = 2.0 ** np.round(np.log2(max(1.0, abs(x[i]))))  # a power of two: x + h d is exact
    return d


# ------------------------------------------------------------------------------------------------ the two tests


def check_derivatives(fun, x, *, args=(), jac=None, hessp=None, hess=None, rtol=1e-5, seed=0):
    """Compare derivatives with differences over a ladder of steps.

    Parameters
    ----------
    fun : callable or Objective
        As in `minimize`, with `args`.
    x : array_like, shape (n,)
        Where to compare.
    jac : callable or True, optional
        As in `minimize`. Default: the gradient that secondorder generates, and its products with the Hessian.
    hessp, hess : callable, optional
        ``hessp(x, v, *args)``, ``hess(x, *args)``.
    rtol : float
        How large the relative error of an entry may be, the scale of an entry being at least a hundredth of the
        largest's.
    seed : int
        Of the random directions, and of the components where there are more than 100.

    Returns
    -------
    DerivativeCheck
        ``.ok``, ``.worst``, ``.compared``; printed, it is a table with the worst numbers first. An entry is never
        called wrong where f has a kink or where rounding hides it: see the top of secondorder/checking.py for the rule.

    Raises
    ------
    Unsupported
        If jac is None and f has no generated derivatives.

    Examples
    --------
    >>> import numpy as np
    >>> import secondorder as so
    >>> def f(x):
    ...     return x[0] ** 2 * x[1] + np.exp(x[1])
    >>> def wrong(x):
    ...     return np.array([2.0 * x[0] * x[1], x[0] + np.exp(x[1])])  # x[0] ** 2 is meant
    >>> found = so.check_derivatives(f, [3.0, 1.0], jac=wrong)
    >>> found.ok, found.worst.component, round(found.worst.given, 6), round(found.worst.differences, 6)
    (False, 1, 5.718282, 11.718282)
    """
    args = args if isinstance(args, tuple) else (args,)
    x = np.array(x, np.float64).reshape(-1)
    functions = Functions(fun, jac, hessp, hess, args)
    rng = np.random.default_rng(seed)
    chosen = np.arange(x.size) if x.size <= MANY else np.sort(rng.choice(x.size, MANY, replace=False))
    directions = [rng.choice((-1.0, 1.0), x.size) * np.maximum(1.0, np.abs(x)) for _ in range(DIRECTIONS)]
    compared = compare_gradient(functions, x, chosen, directions, rtol)
    generated = jac is None and not isinstance(fun, Objective) and hessp is None and hess is None
    if generated:
        from secondorder.derivatives.transforms import hvp

        functions.given_hessp = hvp(fun)
    if functions.given_hessp is not None:
        for k, v in enumerate(directions):
            product = functions.hessp(x, v)
            compared += compare_entries("hessp", functions, x, v, product, chosen, rtol, f"direction {k}")
    if functions.given_hess is not None:
        H = functions.hess(x)
        for i in chosen:
            d = unit(x, i)
            compared += compare_entries("hess", functions, x, d, H[:, i] * d[i], chosen, rtol, i, 1.0 / d[i])
    return DerivativeCheck(compared)


def compare_gradient(functions, x, chosen, directions, rtol):
    """The gradient's entries, and its products with directions."""
    g = functions.gradient(x)
    largest = np.abs(g).max(initial=0.0)
    compared = []
    for i in chosen:
        d = unit(x, i)
        found = scaled(difference(functions.value, x, d), 1.0 / d[i])
        compared.append(compare("gradient", int(i), g[i], found, rtol, largest))
    if len(chosen) < x.size:
        for k, d in enumerate(directions):
            found = difference(functions.value, x, d)
            compared.append(compare("gradient", f"direction {k}", g @ d, found, rtol, 0.0))
    return compared


def compare_entries(what, functions, x, d, product, chosen, rtol, name, scale=1.0):
    """The entries of H d against differences of the gradient along d."""
    found = difference(functions.gradient, x, d)
    largest = np.abs(product).max(initial=0.0) * abs(scale)
    rows = []
    for i in chosen:
        component = f"{i}, {name}"
        one = scaled(Difference(*(part[i : i + 1] for part in found)), scale)
        rows.append(compare(what, component, product[i] * scale, one, rtol, largest))
    return rows


def scaled(found, factor):
    """A Difference along factor times the direction."""
    return found._replace(value=found.value * factor, uncertainty=found.uncertainty * abs(factor))


def check_gradient(fun, x, args, jac):
    """Raise a ValueError that names a component if the gradient contradicts differences of fun.

    Cheap, and sure of what it says: one random direction; each component for up to 50 variables; else, if the direction
    is wrong, the worst component by halving. Errors below 1e-3 pass, and what differences can't decide.
    """
    if isinstance(jac, str) and jac in DIFFERENCES:
        return
    try:
        functions = Functions(fun, jac, None, None, args)
        g = functions.gradient(x)
    except Exception:
        if jac is None and not isinstance(fun, Objective):  # no generated gradient: differences will be taken
            return
        raise
    largest = np.abs(g).max(initial=0.0)

    def tested(d, component, over=1.0, largest=largest):
        given = g[d != 0.0] @ d[d != 0.0]

        def agrees(found):
            return abs(given - found.value.item()) <= 0.01 * RTOL_CHEAP * max(abs(given), abs(found.value.item()))

        found = scaled(difference(functions.value, x, d, agrees), over)
        return compare("gradient", component, given * over, found, RTOL_CHEAP, largest)

    d = np.random.default_rng(0).choice((-1.0, 1.0), x.size) * np.maximum(1.0, np.abs(x))
    if x.size <= CHEAP:
        found = [tested(unit(x, i), i, 1.0 / unit(x, i)[i]) for i in range(x.size)]
        worst = min(found, key=rank, default=None)
    else:
        worst = tested(d, "", largest=0.0)
        if worst.verdict == "wrong":
            worst = halved(tested, d, x)
    if worst is not None and worst.verdict == "wrong":
        raise ValueError(
            f"check_grad: the gradient contradicts differences of fun: component {worst.component} is "
            f"{worst.given:.6g}, and differences give {worst.differences:.6g} +- {worst.uncertainty:.0e}. "
            "secondorder.check_derivatives(fun, x0, ...) shows all components"
        )


def halved(tested, d, x):
    """The comparison of a component that is wrong, where the direction d is: by halving the set of components."""
    chosen = np.arange(d.size)
    while chosen.size > 1:
        halves = []
        for part in np.array_split(chosen, 2):
            v = np.zeros(d.size)
            v[part] = d[part]
            found = tested(v, "", largest=0.0)
            halves.append((abs(found.given - found.differences), part))
        chosen = max(halves, key=lambda half: half[0])[1]
    i = int(chosen[0])
    return tested(unit(x, i), i, 1.0 / unit(x, i)[i], 0.0)
