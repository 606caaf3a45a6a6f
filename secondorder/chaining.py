"""chain(): one run that goes from method to method, each from the best point of the one before."""

import time

import numpy as np

from secondorder.minimize import attach, check_functions, find_plan, minimize, start_vector
from secondorder.status import CALLBACK, CANCELLED, EVALUATION_ERROR, UNBOUNDED

ENDS = (UNBOUNDED, EVALUATION_ERROR, CANCELLED, CALLBACK)  # statuses after which no other method is tried
COUNTS = ("nit", "nfev", "njev", "nhev", "nrestart", "nskip", "nescape")


def chain(
    fun,
    x0,
    methods,
    args=(),
    jac=None,
    hess=None,
    hessp=None,
    tol=None,
    callback=None,
    *,
    backend="auto",
    check_grad=False,
    second_order=None,
):
    """Minimize by one method after another, each from the best point of the one before.

    A stage ends as `minimize` does, by a tolerance, a budget or because it gets no further, and the next begins. Only
    an unbounded f, a callback that raises StopIteration, and an exception end the whole chain.

    Parameters
    ----------
    fun, x0, args, jac, hess, hessp, backend
        As in `minimize`. `hess` and `hessp` serve the stages that use second derivatives.
    methods : sequence of (method, options)
        The stages in order: a name of `METHODS` or `UPDATES`, or an update, and the options of that stage, as in
        `minimize`; a method alone has no options. Budgets such as ``maxiter`` are the stage's own. A relative
        tolerance, the default, is relative to the gradient where the stage begins.
    tol : float, optional
        The absolute tolerance of the gradient, ``gtol``, of the stages whose options have none.
    callback : callable, optional
        As in `minimize`; the counts that it gets are those of the stage.
    check_grad : bool, default False
        As in `minimize`, before the first stage.
    second_order : bool, "certify" or "escape", optional
        As in `minimize`, for each stage; the default depends on its method.

    Returns
    -------
    OptimizeResult
        The fields of the last stage's result, but for ``nit``, ``nfev``, ``njev``, ``nhev``, ``nrestart``, ``nskip``,
        ``nescape`` and ``elapsed``, which are those of the whole chain. With one further field: ``stages``, the results
        of the stages that ran, in order. Each stage evaluates f and its gradient where it begins, which counts.
        ``history`` is that of the whole chain too, counts carried over, if all stages that ran have one; the first row
        of a stage is where it begins.

    Raises
    ------
    ValueError, TypeError
        For arguments and options that are wrong, with the stage's number, before anything is evaluated; and as
        `minimize`.
    Exception
        Whatever fun, jac or callback raise, with the chain so far in its attribute ``optimize_result``. So has the
        KeyboardInterrupt of Ctrl-C.

    Examples
    --------
    >>> import numpy as np
    >>> import secondorder as so
    >>> def rosenbrock(x):
    ...     return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)
    >>> stages = [("adam", {"lr": 0.01, "maxiter": 200}), ("l-bfgs", {"maxiter": 20}), "trust-exact"]
    >>> result = so.chain(rosenbrock, np.full(10, -1.0), stages)
    >>> result.success, result.method, [stage.reason for stage in result.stages]
    (True, 'trust-exact', ['maxiter', 'maxiter', 'gtol'])
    >>> result.nit == sum(stage.nit for stage in result.stages)
    True
    """
    begun = time.perf_counter()
    x = start_vector(x0)
    parsed = parse_stages(methods)
    if hasattr(fun, "as_objective"):  # a FiniteSum, which has its own arguments
        fun, args = fun.as_objective(args)
    check_functions(fun, jac, hess, hessp, callback, backend)
    uses = [uses_second_derivatives(k, *stage, x, tol, second_order) for k, stage in enumerate(parsed, 1)]
    stages = []
    for k, (method, options) in enumerate(parsed):
        # where no stage uses them, the first says so
        second = (hess, hessp) if uses[k] or (k == 0 and not any(uses)) else (None, None)
        try:
            stages.append(
                minimize(
                    fun,
                    x,
                    args,
                    method,
                    jac,
                    *second,
                    tol=tol,
                    callback=callback,
                    options=options,
                    backend=backend,
                    check_grad=check_grad and k == 0,
                    second_order=second_order,
                )
            )
        except BaseException as error:
            if hasattr(error, "optimize_result"):  # of the stage amid which it was raised
                stages.append(error.optimize_result)
            if stages:
                attach(error, joined(stages, begun), "chain")
            raise
        if stages[-1].status in ENDS:
            break
        x = stages[-1].x
    return joined(stages, begun)


def parse_stages(methods):
    """[(method, options)] of what was given; every error of its form is raised here."""
    if not isinstance(methods, (list, tuple)) or not methods:
        raise TypeError(
            f"methods must be a sequence of (method, options), at least one; it is {methods!r:.100}. "
            "For a single method use minimize"
        )
    parsed = []
    for k, stage in enumerate(methods, 1):
        method, options = stage if isinstance(stage, tuple) and len(stage) == 2 else (stage, None)
        if isinstance(method, (list, tuple, dict)) or method is None:
            raise TypeError(f"stage {k} of methods must be a method or a pair (method, options); it is {stage!r:.100}")
        if isinstance(method, str) and method.lower() == "auto":
            raise ValueError(f"stage {k} of methods is 'auto', which chooses for whole runs; name a method")
        parsed.append((method, options))
    return parsed


def uses_second_derivatives(k, method, options, x, tol, second_order):
    """Does stage k? Its method and options are checked, with an error that names the stage."""
    try:
        plan = find_plan(method, tol, options, second_order)
        if hasattr(plan.module, "check_start"):
            plan.module.check_start(x)
    except (TypeError, ValueError) as error:
        raise type(error)(f"stage {k} of methods: {error}") from None
    return "hvp" in plan.needs or "hess" in plan.needs


def joined_history(stages):
    """The rows of all stages, whose counts go on from those of the stages before."""
    rows = {name: [] for name in stages[0].history}
    before = dict.fromkeys(COUNTS, 0)
    for stage in stages:
        for name, values in stage.history.items():
            rows[name].append(values + before[name] if name in before else values)
        for name in before:
            before[name] += stage.get(name, 0)
    return {name: np.concatenate(values) for name, values in rows.items()}


def joined(stages, begun):
    """The result of the chain."""
    last = stages[-1]
    result = type(last)(last)
    result.pop("history", None)
    for name in COUNTS:
        if any(name in stage for stage in stages):
            result[name] = sum(stage.get(name, 0) for stage in stages)
    if all("history" in stage for stage in stages):
        result["history"] = joined_history(stages)
    result.update(elapsed=time.perf_counter() - begun, stages=tuple(stages))
    return result
