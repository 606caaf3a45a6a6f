"""Figures. Each takes `ax=None` and returns matplotlib Axes; without an ax it makes a Figure of its own.

pyplot and its state are never touched: save with `ax.figure.savefig("name.png")`, or pass an ax of pyplot's to show it.
matplotlib is imported on use (`pip install secondorder[plot]`).
"""

import math

import numpy as np

CURVES = {  # what `convergence` can show: column of result.history, axis label
    "fun": "f - f*",
    "optimality": "|g|_inf",
}
ABSCISSAE = {"nit": "iterations", "nfev": "evaluations of f"}


def new_axes(width=6.4, height=4.4):
    """Axes in a Figure that belongs to nobody else."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained").add_subplot()


def performance_profile(profile, ax=None):
    """Draw a performance profile as step curves over a logarithmic axis.

    Parameters
    ----------
    profile : secondorder.compare.Profile
        From `secondorder.compare.performance_profile`.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> from secondorder import plots
    >>> from secondorder.compare import performance_profile
    >>> ax = plots.performance_profile(performance_profile({"a": [1.0, 4.0], "b": [2.0, 1.0]}))
    >>> len(ax.lines)
    2
    """
    ax = new_axes() if ax is None else ax
    finite = [ratios[np.isfinite(ratios)] for ratios in profile.ratios.values()]
    right = 1.2 * max((float(ratios.max()) for ratios in finite if ratios.size), default=1.0)
    right = max(right, 2.0)
    for (solver, ratios), solved in zip(profile.ratios.items(), finite, strict=True):
        taus = np.sort(solved)
        steps = np.arange(1, taus.size + 1) / ratios.size
        curve = np.concatenate([[0.0], steps, steps[-1:]]) if taus.size else np.zeros(2)
        where = np.concatenate([[1.0], taus, [right]]) if taus.size else np.array([1.0, right])
        ax.step(where, curve, where="post", label=solver, linestyle="--" if solver.startswith("scipy ") else "-")
    ax.set_xscale("log", base=2)
    ax.set_xlim(1.0, right)
    ax.set_ylim(0.0, 1.02)
    ax.set_xlabel(f"{profile.metric}, as a multiple of the least")
    ax.set_ylabel("share of the problems solved")
    ax.legend(loc="lower right", fontsize="small")
    ax.grid(alpha=0.3)
    return ax


def convergence(results, y="fun", x="nit", f_star=None, ax=None):
    """Draw f - f* or the gradient norm of one or several runs on a logarithmic axis.

    Parameters
    ----------
    results : OptimizeResult, or dict of str to OptimizeResult
        Results with a history (``options={"history": True}``); a dict gives the labels, else the method does.
    y : {"fun", "optimality"}
        "fun": f - f*; "optimality": |g|_inf.
    x : {"nit", "nfev"}
        Over iterations or evaluations.
    f_star : float, optional
        The minimum; default the least f of all the runs. Points at or below it aren't drawn.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import numpy as np
    >>> import secondorder as so
    >>> from secondorder import plots
    >>> def bowl(x):
    ...     return (x[0] - 1.0) ** 2 + 10.0 * x[1] ** 2
    >>> result = so.minimize(bowl, np.array([3.0, 1.0]), options={"history": True})
    >>> ax = plots.convergence(result, y="optimality")
    >>> ax.get_yscale()
    'log'
    """
    for name, value, known in (("y", y, CURVES), ("x", x, ABSCISSAE)):
        if value not in known:
            raise ValueError(f"{name}={value!r} must be one of {', '.join(known)}")
    # a result is itself a dict: it is one run if it has a history, and a table of runs else
    runs = {results.get("method", "run"): results} if "fun" in results else dict(results)
    for label, result in runs.items():
        if "history" not in result:
            raise ValueError(f"the result {label!r} has no history: pass options={{'history': True}} to minimize")
    if y == "fun" and f_star is None:
        f_star = min((float(np.nanmin(result["history"]["fun"])) for result in runs.values()), default=0.0)
    ax = new_axes() if ax is None else ax
    for label, result in runs.items():
        history = result["history"]
        values = history[y] - f_star if y == "fun" else history[y]
        ax.plot(history[x], np.where(values > 0.0, values, math.nan), label=label, marker=".", markersize=3)
    ax.set_yscale("log")
    ax.set_xlabel(ABSCISSAE[x])
    ax.set_ylabel(CURVES[y])
    if len(runs) > 1:
        ax.legend(fontsize="small")
    ax.grid(alpha=0.3)
    return ax
