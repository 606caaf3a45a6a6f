"""OptimizeResult for people: what came out, why the run stopped, and by how much each criterion was met or missed."""

import sys
from typing import NamedTuple

import numpy as np


class OptimizeResult(dict):
    """A dict with attribute access, as scipy's OptimizeResult, with more fields.

    Attributes
    ----------
    x : ndarray, shape (n,)
        The best point accepted; where the run converged, the point that met the criterion.
    fun : float
        f(x).
    jac : ndarray, shape (n,)
        Gradient at x (nan where it could not be had, after an exception).
    success : bool
        True for status 0 and for nothing else.
    status : int
        0 converged, 1 budget spent, 2 stalled, 3 not finite, 4 unbounded, 5 time limit, 6 the user's function raised,
        98 cancelled, 99 the callback raised StopIteration, 130 interrupted. 0 to 3 and 99 are scipy's.
    reason : str
        One or two words for what exactly ended the run, such as "gtol", "maxfev", "no decrease".
    message : str
        A sentence with the numbers that matter.
    criteria : tuple of dict
        Each with name, value, threshold, met.
    optimality : float
        |jac|_inf.
    nit, nfev, njev, nhev : int
        Iterations; evaluations of f, gradient, and Hessian or Hessian product: equal to the calls really made.
    nrestart, nskip : int
        Directions replaced by the negative gradient; quasi-Newton pairs that were not used.
    elapsed : float
        Seconds.
    method, derivatives, backend : str
        The method; how gradients were made; "compiled" or "python".
    second_derivatives : str
        Of methods that use them: how Hessians or their products were made, "given", "exact" or "differences of
        gradients".
    certificate : Certificate or None
        What kind of point x is, where that was looked at (the argument second_order of `minimize`); see there.
    nescape : int
        Saddle points that were left on the way: where `certificate` is a field, and of perturbed methods.
    hess_inv : ndarray, shape (n, n)
        Of bfgs: its approximation of the inverse Hessian.
    oracle : dict
        Of newton-cg-capped and trust-ncg-capped: the lowest eigenvalue of the Hessian at x, as far as it is known.
    history : dict of ndarray
        If asked for: nit, fun, optimality, step, alpha, nfev, njev, nhev, one entry an iteration.
    stages : tuple of OptimizeResult
        Of `chain`: the results of its stages.
    """

    def __getattr__(self, name):
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"the result has no field {name!r}; it has {', '.join(self)}") from None

    __setattr__ = dict.__setitem__
    __delattr__ = dict.__delitem__

    @property
    def __class__(self):
        # isinstance(result, scipy.optimize.OptimizeResult) holds without importing scipy.optimize, which takes longer
        # than everything else between `import` and the first solution
        optimize = sys.modules.get("scipy.optimize")
        return OptimizeResult if optimize is None else _both(optimize.OptimizeResult)

    def __reduce__(self):  # pickle looks at __class__, which is another class once scipy.optimize is loaded
        return type(self), (dict(self),)

    def __repr__(self):
        width = max(map(len, self), default=0)
        return "\n".join(f"{name.rjust(width)}: {_short(self[name], width + 2)}" for name in self)

    def __dir__(self):
        return list(self)


def attach(error, result, said):
    """Give an exception what was reached, as .optimize_result, and a note that says so."""
    try:
        error.optimize_result = result
        error.add_note(said)
    except AttributeError:  # exceptions with __slots__
        pass


class Certificate(NamedTuple):
    """What the Hessian H says of a point, and how sure that is.

    Attributes
    ----------
    verdict : str
        "minimum": H is positive definite, beyond rounding; of "lanczos" as far as `lower` says. "saddle": lambda_min <
        -tolerance |H|; "maximum": so are all eigenvalues. "degenerate": neither, H is flat in a direction, and higher
        derivatives decide. "unknown": H is not finite. Of `certify` and `classify` also "not stationary".
    lambda_min : float
        The smallest eigenvalue of H; where `bound` is "cholesky", a lower bound of it.
    bound : str
        Where that comes from. "exact": all eigenvalues. "cholesky": H - lambda_min I has a Cholesky factorization.
        "lanczos": the smallest Ritz value, which is never below the smallest eigenvalue. So a negative one is a proof;
        how far below a positive one that may be, with which probability, `lower` says.
    lower : float
        A lower bound of the smallest eigenvalue. Of "lanczos" it fails with `probability` ([1] section 3).
    probability : float
        0 where the bound is certain.
    error : float
        |H v - lambda_min v| for the direction v.
    direction : ndarray, shape (n,), or None
        The unit vector of lambda_min; None for "cholesky".
    index : int or None
        Eigenvalues below -tolerance |H|; None where they aren't known ("lanczos").
    norm : float
        |H|_2; from above for "cholesky", from below for "lanczos".
    tolerance : float
        Relative to `norm`; what an eigenvalue has to be below to count as negative.
    n_products : int
        Hessian products this took; a Hessian counts as n.
    seed : int
        Of the random start of "lanczos" and of what was `tried`.
    tried : int
        Directions or perturbations that a lower point was looked for with, and not found.
    escape : str or None
        The way in which: a name of `secondorder.escapes`; None where x was only looked at.

    References
    ----------
    [1] van Dorsselaer, Hochstenbach, van der Vorst. Computing probabilistic bounds for extreme eigenvalues of symmetric
        matrices with the Lanczos method. SIAM J. Matrix Anal. Appl. 22 (2001) 837-852.
    """

    verdict: str
    lambda_min: float
    bound: str
    lower: float
    probability: float
    error: float
    direction: np.ndarray | None
    index: int | None
    norm: float
    tolerance: float
    n_products: int
    seed: int
    tried: int
    escape: str | None

    def established(self):
        """What is known of x now, and what is not, in words."""
        if self.verdict == "unknown":
            return "the Hessian is not finite"
        if self.verdict == "minimum":
            if self.probability == 0.0:
                return "the Hessian is positive definite: x is a minimum"
            return (
                f"the Hessian has no eigenvalue below {self.lower:.3g} but for a probability of {self.probability:.2g} "
                f"(lambda_min = {self.lambda_min:.3g}, |H| = {self.norm:.3g})"
            )
        tried = "no way down was tried"
        if self.tried:
            tried = f"{self.tried} directions or perturbations of escape={self.escape!r} led to no lower point"
        if self.verdict == "degenerate":
            return (
                f"x is degenerate: the Hessian is flat in a direction (lambda_min = {self.lambda_min:.3g}, |H| = "
                f"{self.norm:.3g}) and can't tell a minimum from a saddle; {tried}"
            )
        return f"lambda_min = {self.lambda_min:.3g}, |H| = {self.norm:.3g}; {tried}"

    def __repr__(self):
        if self.verdict == "unknown":
            return "unknown: the Hessian is not finite"
        least = f"lambda_min {'>' if self.bound == 'cholesky' else '='} {self.lambda_min:.3g}"
        sure = f"; >= {self.lower:.3g} but for {self.probability:.2g}" if self.probability else ""
        index = "" if self.index is None else f", index {self.index}"
        tried = f", {self.tried} directions or perturbations tried ({self.escape})" if self.tried else ""
        return f"{self.verdict}: {least} ({self.bound}{sure}), |H| = {self.norm:.3g}{index}{tried}"


_classes = {}


def _both(theirs):
    if theirs not in _classes:
        _classes[theirs] = type("OptimizeResult", (OptimizeResult, theirs), {})
    return _classes[theirs]


def _short(value, indent):
    if isinstance(value, tuple) and value and isinstance(value[0], OptimizeResult):
        lines = [f"{r.method}: f = {r.fun:.6g} after {r.nit} iterations, {r.reason}" for r in value]
        return ("\n" + " " * indent).join(lines)
    if isinstance(value, tuple) and value and isinstance(value[0], dict):
        lines = [
            f"{c['name']}: {c['value']:.3g} {'<=' if c['met'] else '>'} {c['threshold']:.3g}"
            f" ({'met' if c['met'] else 'not met'})"
            for c in value
        ]
        return ("\n" + " " * indent).join(lines)
    if isinstance(value, dict):
        return "{" + ", ".join(value) + "}"
    return repr(value).replace("\n", "\n" + " " * indent)
