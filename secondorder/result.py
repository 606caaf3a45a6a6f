"""OptimizeResult for people: what came out, why the run stopped, and by how much each criterion was met or missed."""

import sys


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
    hess_inv : ndarray, shape (n, n)
        Of bfgs: its approximation of the inverse Hessian.
    history : dict of ndarray
        If asked for: nit, fun, optimality, step, alpha, nfev, njev, nhev, one entry an iteration.
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

    def __repr__(self):
        width = max(map(len, self), default=0)
        return "\n".join(f"{name.rjust(width)}: {_short(self[name], width + 2)}" for name in self)

    def __dir__(self):
        return list(self)


_classes = {}


def _both(theirs):
    if theirs not in _classes:
        _classes[theirs] = type("OptimizeResult", (OptimizeResult, theirs), {})
    return _classes[theirs]


def _short(value, indent):
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
