"""The front door for many problems: minimize_batch() and multistart(). The story of `minimize`, B times over.

1  X0 is copied, the options checked, each of args found to be shared or one per problem
2  the objective becomes typed functions that pick the args of their problem
3  worker threads solve one problem after another (`backends.batch`)
4  what came of all becomes one result of arrays
"""

import math
import numbers
import time
from typing import NamedTuple

import numpy as np

from secondorder.backends import batch, is_on_device, serial
from secondorder.derivatives.trampolines import copied
from secondorder.jit import type_of
from secondorder.minimize import DEFAULT_METHOD, check_functions, find_plan, masked, minimize
from secondorder.objective import Objective, typed_objective
from secondorder.places import check_dtype, check_places, chosen_device, placed, refuse_on_device
from secondorder.result import Certificate, OptimizeResult
from secondorder.result import attach as attach_result
from secondorder.starts import distinct, lowest
from secondorder.status import CANCEL, CONVERGED, PRECISION, RAISED, REASONS, ROUNDING, RUNNING, SIGNAL, TIME

MEASURED = [Certificate._fields.index(name) for name in ("lambda_min", "lower", "norm")]


class Certificates(NamedTuple):
    """What the Hessians say of the points of a batch: `Certificate` as arrays, an entry a problem.

    Attributes
    ----------
    verdict : ndarray of str, shape (B,)
        As in `Certificate`; "" where the point was not looked at, as the run had not ended with a small gradient.
    lambda_min, lower, norm : ndarray, shape (B,)
        As there; nan where the point was not looked at.
    index : ndarray of int, shape (B,)
        As there; -1 where it is not known.
    """

    verdict: np.ndarray
    lambda_min: np.ndarray
    lower: np.ndarray
    norm: np.ndarray
    index: np.ndarray

    def __repr__(self):
        verdicts, counts = np.unique(self.verdict, return_counts=True)
        return ", ".join(f"{count} {verdict or 'not looked at'}" for verdict, count in zip(verdicts, counts))


class BatchResult(OptimizeResult):
    """The results of a batch: arrays with one entry per problem.

    Attributes
    ----------
    x : ndarray, shape (B, n)
        The points, as in `OptimizeResult.x`.
    fun : ndarray, shape (B,)
        f there; nan for a problem that was not begun.
    jac : ndarray, shape (B, n)
        The gradients there; nan where none was computed.
    success : ndarray of bool, shape (B,)
        status == 0.
    status : ndarray of int, shape (B,)
        As in `OptimizeResult.status`. Problems that were not begun have that of what ended the batch.
    optimality : ndarray, shape (B,)
        |jac|_inf.
    nit, nfev, njev, nhev : ndarray of int, shape (B,)
        Counts.
    certificate : Certificates
        Where ``second_order`` was given.
    nescape : ndarray of int, shape (B,)
        Saddle points that were left on the way; likewise.
    errors : dict
        Number of the problem -> exception that the user's function raised there, with
        ``options={"on_error": "return"}``.
    message : str
        How many problems ended for which reason.
    batched : tuple of bool
        Which of args had an entry per problem.
    workers : int
        Threads used.
    elapsed : float
        Seconds for all.
    method, derivatives, backend : str
        As in `OptimizeResult`.
    """

    def problem(self, i):
        """The result of problem i as `minimize` gives it: with reason, message and criteria.

        i: its number, or in a batch of more axes its indices; negative ones count from the end.
        """
        shape, n = self["fun"].shape, tuple(self["x"].shape)[-1]
        try:
            if isinstance(i, tuple):
                i = int(np.ravel_multi_index([range(k)[j] for j, k in zip(i, shape, strict=True)], shape))
            i = range(self["fun"].size)[i]
        except (IndexError, TypeError, ValueError):
            raise IndexError(f"there is no problem {i!r}: the batch has shape {shape}") from None
        # those on a GPU are of two axes, and stay there
        x, jac = [a if len(shape) == 1 else a.reshape(-1, n) for a in (self["x"], self["jac"])]
        reason = REASONS[int(self["_reasons"][i])]
        threshold, gnorm = float(self["_thresholds"][i]), float(self["optimality"].flat[i])
        result = OptimizeResult(
            x=x[i],
            fun=float(self["fun"].flat[i]),
            jac=jac[i],
            success=bool(self["success"].flat[i]),
            status=int(self["status"].flat[i]),
            message=reason.sentence,
            reason=reason.name,
            criteria=({"name": "gtol", "value": gnorm, "threshold": threshold, "met": gnorm <= threshold},),
            optimality=gnorm,
        )
        for name in batch.NUMBERS[1:]:
            result[name] = int(self[name].flat[i])
        for name in ("method", "derivatives", "backend"):
            result[name] = self[name]
        if "_certificates" in self:
            result["certificate"], result["nescape"] = self["_certificates"][i], int(self["nescape"][i])
        if i in self["errors"]:
            error = self["errors"][i]
            result["message"] = f"{type(error).__name__}: {error}"
        return result

    def __repr__(self):
        shown = OptimizeResult({name: value for name, value in self.items() if not name.startswith("_")})
        return repr(shown)


def minimize_batch(
    fun,
    X0,
    args=(),
    method=None,
    jac=None,
    hess=None,
    hessp=None,
    tol=None,
    options=None,
    *,
    batched=None,
    workers=None,
    device="cpu",
    stream=None,
    dtype="float64",
    backend="auto",
    progress=False,
    second_order=False,
):
    """Minimize many functions of the same form, each from its own start and with its own data.

    Each problem takes its own path, stops when it is done and has its own status; what comes out has the same bits as
    from `minimize` problem by problem with the same ``second_order``, for any number of threads. By default that is
    False, and success means a small gradient. What a single call costs beside the solver is paid once for all.

    Parameters
    ----------
    fun, method, jac, hess, hessp, tol, backend
        As in `minimize`; fun gets the args of one problem. The default method is "l-bfgs". A function that Numba can't
        compile is solved for in Python, one problem after another.
    X0 : array_like, shape (B, n)
        Starts. Of shape (n,) if an entry of args has an axis of problems: all start there.
    args : tuple, optional
        Further arguments of fun, each shared by all problems or, with a first axis of length B, one per problem:
        problem i gets ``a[i]``, a number if a has one axis.
    options : dict, optional
        As in `minimize`; ``time_limit`` holds for the whole batch. ``on_error="return"``: an exception in fun ends its
        own problem with status 6 and the batch goes on; by default it ends the batch. ``history`` and ``disp`` are for
        single runs, and refused.
    batched : sequence of bool, optional
        Which of args have an entry per problem. Default: arrays of two or more axes whose first has length B. An array
        of one axis and length B could be either: then `batched` must say. What it says is True may be a list as well.
    workers : int, optional
        Threads; default one a core. -1, as in SciPy, is the default too.
    device : {"cpu", "cuda", "auto"}
        "cuda": a thread of an NVIDIA GPU for each problem (docs/cuda.md). fun is then an `Objective` of functions that
        don't allocate, or a function whose exact derivatives are generated (jac, hess and hessp are not taken); there
        is no time limit and no progress, and results are those of the CPU to rounding. X0 and args are NumPy arrays or
        arrays on the device, anything with ``__cuda_array_interface__``; where X0 is one, so are x and jac of the
        result. Compiled anew for each objective. "auto": "cuda" where there is a device, no argument is for the CPU
        alone, and there are 4096 problems or X0 is on the device; else "cpu".
    dtype : {"float64", "float32"}
        What the device computes in, and x, fun and jac are of; whatever X0 is. float32 is for ``device="cuda"`` and
        the methods in `kernels.IN_SINGLE`: consumer GPUs do 32 or 64 times as much of it. Tolerances by default are
        then sqrt(eps) of float32, 3.5e-4 (docs/cuda.md).
    stream : optional
        What all work on the device is queued in: a stream of numba.cuda, CuPy or PyTorch, or its handle as an integer.
    progress : bool or callable
        True: a tqdm bar on stderr; a callable gets the number of problems done, some times a second.
    second_order : bool, "certify" or "escape"
        As in `minimize`, but False by default for every method: ``result.certificate`` then has arrays. With
        ``device="cuda"`` False or "certify": the CPU looks at the points, in float64.

    Returns
    -------
    BatchResult
        Arrays; ``result.problem(i)`` is what `minimize` would have returned.

    Raises
    ------
    ValueError, TypeError
        For arguments that are wrong, before anything is evaluated.
    Exception
        Whatever fun raises; its attribute ``optimize_result`` has what was done, as has Ctrl-C's.

    Examples
    --------
    >>> import numpy as np
    >>> import secondorder as so
    >>> def misfit(p, t, y):
    ...     return np.sum((p[0] * np.exp(-p[1] * t) - y) ** 2)
    >>> t = np.linspace(0.0, 2.0, 20)
    >>> rates = np.array([[0.5], [1.0], [2.0]])
    >>> result = so.minimize_batch(misfit, [1.0, 1.0], args=(t, 3.0 * np.exp(-rates * t)), method="bfgs")
    >>> result.x.round(3)
    array([[3. , 0.5],
           [3. , 1. ],
           [3. , 2. ]])
    """
    begun = time.perf_counter()
    # 1 the arguments
    if type(args) is not tuple:
        args = (args,)
    check_functions(fun, jac, hess, hessp, None, backend)
    check_progress(progress)
    if options is not None and not isinstance(options, dict):
        raise TypeError(f"options must be a dict; it is {options!r:.200}")
    args = with_arrays(args, batched)
    X, split = starts_and_split(X0, args, batched)
    cpu_only = {"jac": jac, "hess": hess, "hessp": hessp, "workers": workers, "progress": progress or None}
    second_order = False if second_order is None else second_order
    cpu_only["second_order"] = None if second_order in (False, "certify") else second_order
    cpu_only = {name: value for name, value in cpu_only.items() if value is not None}
    device = chosen_device(device, cpu_only, X, options)
    check_places(device, stream, X0, args)
    check_dtype(dtype, device)
    n_workers = count_of_workers(workers)
    jac = jac.lower() if isinstance(jac, str) else jac
    for name in ("history", "disp"):
        if options and options.get(name):
            raise ValueError(
                f"option {name}={options[name]!r} is for single runs; use minimize for the problem in question"
            )
    if device == "cuda":
        refuse_on_device(cpu_only)
        return on_device(fun, X, args, split, method, tol, options, stream, dtype, second_order, begun)
    plan = find_plan(method, tol, options, second_order)

    # 2 the objective
    given = fun, jac, hessp, hess
    args = tuple([np.ascontiguousarray(a) if of_each else a for a, of_each in zip(args, split)])
    typed, _ = typed_objective(given, args, plan.needs, backend, split=split)
    if typed.in_python is not None:
        return one_by_one(X, split, args, dict(
            fun=fun, method=method, jac=jac, hess=hess, hessp=hessp, tol=tol, options=options,
            second_order=second_order,
        ), plan, typed, progress, begun)  # fmt: skip

    # 3 the workers
    run = solved(plan, typed, args, X, n_workers, progress)
    if isinstance(run.first_error, serial.WroteX):  # once more, with a copy of x for the user's function
        typed, _ = typed_objective(given, args, plan.needs, backend, copied, split)
        X, _ = starts_and_split(X0, args, batched)
        run = solved(plan, typed, args, X, n_workers, progress)

    # 4 the result
    result = result_of(run, plan, typed, split, begun)
    if run.first_error is not None:
        attach(run.first_error, result)
        raise run.first_error
    if run.queue[batch.HALT] == SIGNAL:
        error = KeyboardInterrupt("secondorder.minimize_batch was interrupted")
        attach(error, result)
        raise error
    return result


# ------------------------------------------------------------------------------------------------ 1 the arguments


def has_axes(value):
    """Is this an array of at least one axis, here or on a GPU?"""
    return (isinstance(value, np.ndarray) or is_on_device(value)) and len(value.shape) > 0


def check_progress(progress):
    """Is it of a kind that `shown` takes?"""
    if not (callable(progress) or progress is None or isinstance(progress, (bool, np.bool_))):
        raise TypeError(f"progress={progress!r:.100} must be True, False or a callable that gets a number")


def with_arrays(args, batched):
    """The args, those that are said to have an entry per problem as arrays: lists and the like are taken there."""
    if batched is None or not np.iterable(batched) or isinstance(batched, str):
        return args
    flags = tuple(batched)
    if len(flags) != len(args):
        return args  # which is refused by and by

    def array_of(value, i):
        try:
            found = np.asarray(value)
        except ValueError:  # rows of several lengths
            found = np.empty(0, object)
        if found.ndim == 0 or found.dtype.kind not in "fiubc":
            raise TypeError(
                f"args[{i}] is batched: it must be an array of numbers with an entry per problem; it is {value!r:.100}"
            )
        return found

    return tuple([
        array_of(a, i) if isinstance(flag, (bool, np.bool_)) and flag and not has_axes(a) else a
        for i, (a, flag) in enumerate(zip(args, flags))
    ])  # fmt: skip


def count_of_workers(workers):
    """The number of threads asked for."""
    if workers is None or workers == -1:
        return batch.cores()
    if isinstance(workers, bool) or not isinstance(workers, (int, np.integer)):
        raise TypeError(f"workers={workers!r} must be a whole number")
    if workers < 1:
        raise ValueError(f"workers={workers!r} must be at least 1, or -1 for one a core")
    return int(workers)


def starts_and_split(X0, args, batched):
    """(private copy of the starts, shape (B, n); which of args have an entry per problem)."""
    there = is_on_device(X0)
    X0 = X0 if there else real_array("X0", X0)
    if there and len(X0.shape) != 2:
        raise ValueError(f"X0, on a GPU, has shape {tuple(X0.shape)}; it must be (B, n), B problems of n variables")
    if len(X0.shape) not in (1, 2):
        raise ValueError(f"X0 has shape {X0.shape}; minimize_batch takes (B, n), B problems of n variables")
    if batched is not None:
        split = tuple(batched) if np.iterable(batched) else (batched,) * len(args)
        if len(split) != len(args) or not all(isinstance(flag, (bool, np.bool_)) for flag in split):
            raise ValueError(f"batched={batched!r} must have one True or False for each of the {len(args)} args")
        split = tuple(map(bool, split))
        lengths = {i: first_axis(a, i) for i, (a, of_each) in enumerate(zip(args, split)) if of_each}
        B = X0.shape[0] if len(X0.shape) == 2 else next(iter(lengths.values()), None)
        if B is None:
            raise ValueError(f"X0 has shape {X0.shape} and no arg is batched: X0 must have shape (B, n)")
        for i, length in lengths.items():
            if length != B:
                raise ValueError(
                    f"args[{i}] is batched and has {length} entries along its first axis; there are {B} problems"
                )
    else:
        B = X0.shape[0] if len(X0.shape) == 2 else length_of(args, X0)
        split = tuple([is_split(a, i, B) for i, a in enumerate(args)])
    return (X0 if there else np.array(np.broadcast_to(X0, (B, X0.shape[-1])), order="C")), split


def real_array(name, value):
    """The value as a contiguous array of float64, or an error that names it."""
    if masked(value):
        raise TypeError(f"{name} has masked entries: fill them, {name}.filled(...), or leave their problems out")
    try:
        found = np.asarray(value)
        if found.dtype.kind == "O":  # None would become nan
            found = np.array([float(entry) for entry in found.flat]).reshape(found.shape)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name} must hold real numbers, in rows of one length; it is {value!r:.100}") from error
    if found.dtype.kind not in "fiub":
        raise TypeError(f"{name} must hold real numbers; it is {found.dtype}: {value!r:.100}")
    return np.asarray(found, np.float64, order="C")


def first_axis(value, i):
    """Length of the first axis of args[i]."""
    if not has_axes(value):
        raise TypeError(f"args[{i}] is batched: it must be an array with an entry per problem; it is {value!r:.100}")
    return value.shape[0]


def length_of(args, X0):
    """B where X0 is one start for all: that of the arrays of two or more axes, which have to agree."""
    lengths = {f"args[{i}]": a.shape[0] for i, a in enumerate(args) if has_axes(a) and len(a.shape) >= 2}
    if len(set(lengths.values())) != 1:
        found = ", ".join(f"{name} has {length} entries" for name, length in lengths.items())
        raise ValueError(
            f"X0 has shape {X0.shape}, one start for all problems, and args do not tell how many there are"
            f"{': ' if found else ''}{found}. Give X0 of shape (B, n), or batched="
        )
    return next(iter(lengths.values()))


def is_split(value, i, B):
    """Has this one of args an entry per problem?"""
    if not has_axes(value) or value.shape[0] != B or B == 1:
        return False
    if len(value.shape) == 1:
        raise ValueError(
            f"args[{i}] has shape ({B},) and there are {B} problems: it may be one number per problem, or shared. "
            "Say which by batched=, a True or False for each of args"
        )
    return True


# -------------------------------------------------------------------------------------------------- 3 the workers


def solved(plan, typed, args, X, n_workers, progress):
    """The Batch after its run."""
    bound = typed.bind(args, type_of(args))
    try:
        form = (
            batch.Solving(plan, typed, bound) if plan.examine is None else batch.Looking(plan, typed, bound, *X.shape)
        )
        run = batch.Batch(form, X, n_workers)
        with shown(progress, X.shape[0]) as report:
            run.run(plan.run.on_error, report)
        return run
    finally:
        bound.close()


class shown:
    """Progress as the user asked for it: a context that gives what to call with the number of problems done."""

    def __init__(self, progress, total):
        self.bar, self.report = None, progress if callable(progress) else None
        if progress is True:
            try:
                from tqdm import tqdm
            except ImportError:
                raise ImportError("progress=True needs tqdm: pip install tqdm, or give a callable") from None
            self.bar = tqdm(total=total)
            self.report = lambda done: self.bar.update(done - self.bar.n)

    def __enter__(self):
        return self.report

    def __exit__(self, *error):
        if self.bar is not None:
            self.bar.close()


def one_by_one(X, split, args, call, plan, typed, progress, begun):
    """The same for a function that runs in Python: `minimize` for one problem after another."""
    B = len(X)
    deadline = begun + plan.run.time_limit
    found, escapes = [None] * B, np.zeros(B, np.int64)
    numbers = np.zeros((B, len(batch.NUMBERS)), np.int64)
    numbers[:, 0] = RUNNING
    reals, G, errors = np.full((B, len(batch.REALS)), math.nan), np.full(X.shape, math.nan), {}
    end, halted = None, TIME  # what was raised, and why there are problems that were not begun

    def note(item, result, reason):
        X[item], G[item] = result.x, result.jac
        numbers[item] = reason, *[result[name] for name in batch.NUMBERS[1:]]
        found[item], escapes[item] = result.get("certificate"), result.get("nescape", 0)
        reals[item] = result.fun, result.optimality, result.criteria[0]["threshold"]

    try:
        with shown(progress, B) as report:
            for item in range(B):
                left = deadline - time.perf_counter()
                if left <= 0.0:
                    break
                own = tuple([a[item] if of_each else a for a, of_each in zip(args, split)])
                options = dict(call["options"] or {}) | {"on_error": "raise"}
                options |= {"time_limit": left} if left < math.inf else {}
                try:
                    result = minimize(x0=X[item], args=own, backend="python", **call | {"options": options})
                    note(item, result, code_of(result))
                except BaseException as error:
                    if hasattr(error, "optimize_result"):
                        note(item, error.optimize_result, SIGNAL if isinstance(error, KeyboardInterrupt) else RAISED)
                        forget(error)
                    numbers[item, 0] = SIGNAL if isinstance(error, KeyboardInterrupt) else RAISED
                    if plan.run.on_error == "raise" or not isinstance(error, Exception):
                        raise
                    errors[item] = error
                if report is not None:
                    report(item + 1)
    except BaseException as error:
        end, halted = error, SIGNAL if isinstance(error, KeyboardInterrupt) else CANCEL
    numbers[numbers[:, 0] == RUNNING, 0] = halted
    together = assembled(X, G, numbers, reals, errors, dict(
        batched=split, workers=1, elapsed=time.perf_counter() - begun, method=plan.name,
        derivatives=typed.derivatives, backend=typed.backend,
    ))  # fmt: skip
    if plan.examine is not None:
        together["_certificates"], together["nescape"] = found, escapes
        numbers = [[math.nan if c is None else c[k] for c in found] for k in MEASURED]
        index = [-1 if c is None or c.index is None else c.index for c in found]
        verdicts = np.array(["" if c is None else c.verdict for c in found], np.str_)
        together["certificate"] = Certificates(verdicts, *map(np.array, numbers), np.array(index, np.int64))
    if end is not None:
        attach(end, together)
        raise end
    return together


def forget(error):
    """Take from an exception what the single run attached to it."""
    del error.optimize_result
    if getattr(error, "__notes__", None):
        error.__notes__.pop()


def code_of(result):
    """The reason of a single result, as a number: several have one name, and sentences of their own."""
    codes = [code for code, reason in REASONS.items() if reason.name == result.reason and code != ROUNDING]
    return next((code for code in codes if result.message.startswith(REASONS[code].sentence)), codes[-1])


def on_device(fun, X, args, split, method, tol, options, stream, dtype, second_order, begun):
    """The batch on a GPU."""
    from secondorder import kernels  # on use: numba.cuda takes as long to import as all else
    from secondorder.backends import cuda, cuda_batch

    cuda.check_available("device='cuda'", "device='cpu'")
    options = dict(options or {}) | ({} if tol is None else {"gtol": tol})
    args, there, first = placed(X, args, split, dtype)
    if len(X) == 0:
        name = kernels.checked(method or DEFAULT_METHOD, fun, X.shape[1], options, dtype)[0]
        numbers, reals = np.empty((0, len(batch.NUMBERS)), np.int64), np.empty((0, len(batch.REALS)))
        return assembled(X, X, numbers, reals, {}, about_device(fun, split, 0, name, begun))
    kernel = cuda_batch.kernel_of(kernels.make, method or DEFAULT_METHOD, fun, X.shape[1], options, first, dtype)
    X, G, numbers, reals, _ = cuda_batch.run(kernel, X, args, split, there, stream, dtype)
    noted = None if second_order is False else looked_at_here(fun, X, args, split, options, numbers)
    result = assembled(X, G, numbers, reals, {}, about_device(fun, split, len(X), kernel.method, begun))
    if noted is not None:
        *arrays, escapes = noted.arrays()
        result["certificate"], result["nescape"], result["_certificates"] = Certificates(*arrays), escapes, noted
    return result


def looked_at_here(fun, X, args, split, options, numbers):
    """What is noted of the points that a device came to: Hessians and eigenvalues are the CPU's, in float64.

    Reasons in `numbers` become those of what was found, and products are counted there.
    """
    from secondorder.backends import cuda, saddle  # on use, as above
    from secondorder.certificate import MATRIX, WithMatrix, WithProducts

    B, n = X.shape
    items = np.flatnonzero(np.isin(numbers[:, 0], (*saddle.LOOKED_AT, PRECISION)))  # a rounding floor has both names
    here = [cuda.array_here(f"args[{k}]", a) for k, a in enumerate(args)]
    given = {name: options[name] for name in ("curvature", "seed") if name in options}
    looks = minimize_batch(
        fun, cuda.array_here("X0", X)[items].astype(np.float64),
        tuple([a[items] if of_each else a for a, of_each in zip(here, split)]),
        WithMatrix if n <= MATRIX else WithProducts, options=given, batched=split, second_order="certify",
    )  # fmt: skip
    found = looks["_certificates"]
    noted = saddle.Noted(B, n, found.about)
    noted.numbers[items], noted.measures[items], noted.directions[items] = (
        found.numbers,
        found.measures,
        found.directions,
    )
    noted.numbers[:, -1] = np.maximum(noted.numbers[:, -1], 0)
    numbers[items, batch.NUMBERS.index("nhev")] += looks.nhev
    for item, verdict in zip(items, found.numbers[:, 0].tolist()):
        numbers[item, 0] = saddle.end_of(verdict, numbers[item, 0])
    return noted


def about_device(fun, split, workers, method, begun):
    """What a result says of a run on a GPU."""
    return dict(
        batched=split, workers=workers, elapsed=time.perf_counter() - begun, method=method,
        derivatives="given" if isinstance(fun, Objective) else "exact", backend="cuda",
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------------ 4 the result


def result_of(run, plan, typed, split, begun):
    """The result of a Batch."""
    if not plan.run.strict:
        run.numbers[run.numbers[:, 0] == ROUNDING, 0] = PRECISION
    about = dict(
        batched=split,
        workers=run.n_workers,
        elapsed=time.perf_counter() - begun,
        method=plan.name,
        derivatives=typed.derivatives,
        backend=typed.backend,
    )
    result = assembled(run.X, run.G, run.numbers, run.reals, run.raised, about)
    if plan.examine is not None:
        *arrays, escapes = run.form.noted.arrays()
        result["certificate"], result["nescape"] = Certificates(*arrays), escapes
        result["_certificates"] = run.form.noted
    return result


def assembled(X, G, numbers, reals, errors, about):
    """A BatchResult of these arrays."""
    reasons = numbers[:, 0].copy()
    counts = np.bincount(reasons - RUNNING)  # codes are small, and np.unique would sort
    found = [int(code) + RUNNING for code in np.flatnonzero(counts)]
    of_code = np.zeros(len(counts), np.int64)
    of_code[np.array(found, np.int64) - RUNNING] = [REASONS[code].status for code in found]
    status = of_code[reasons - RUNNING]
    success = status == CONVERGED
    words = sorted([(int(counts[code - RUNNING]), REASONS[code].name) for code in found], reverse=True)
    result = BatchResult(
        x=X,
        fun=reals[:, 0].copy(),
        jac=G,
        success=success,
        status=status,
        message=f"{int(success.sum())} of {len(X)} converged: " + ", ".join(f"{k} {name}" for k, name in words),
        optimality=reals[:, 1].copy(),
        **{name: numbers[:, k].copy() for k, name in enumerate(batch.NUMBERS) if k > 0},
        errors=errors,
        **about,
    )
    result["_reasons"], result["_thresholds"] = reasons, reals[:, 2].copy()
    return result


def attach(error, result, function="minimize_batch"):
    """Give an exception what was done."""
    said = f"raised in secondorder.{function}; .optimize_result has what was done: {result.message}"
    attach_result(error, result, said)


# ------------------------------------------------------------------------------------------------------ many starts


def multistart(fun, X0, args=(), method=None, jac=None, hess=None, hessp=None, tol=None, options=None, *,
               xtol=1e-4, workers=None, device="cpu", backend="auto", progress=False,
               second_order=False):  # fmt: skip
    """Minimize one function from many starts: the best point, and all distinct ones with their counts.

    As in `minimize_batch`, a small gradient is all that success means by default, so `minima` may hold saddles. With
    ``second_order="certify"`` a start that ends at one did not converge, with "escape" it goes on.

    Parameters
    ----------
    fun, args, method, jac, hess, hessp, tol, options, workers, device, backend, progress, second_order
        As in `minimize_batch`; all args are shared.
    X0 : array_like, shape (B, n)
        Starts, such as `draw_starts` gives.
    xtol : float, optional
        Two points are one where ``|x - y|_inf <= xtol max(|x|_inf, w)``, w the widest range of a variable in X0.
        Default 1e-4: a point with a gradient of sqrt(eps) lies that near its minimum up to a condition number of
        about 1e4.

    Returns
    -------
    OptimizeResult
        The best of the starts that converged, as `minimize` gives it (if none did, the lowest point, with its status),
        and ``minima``, a list of `Minimum` (x, fun, count, starts), lowest first, and ``batch``, the `BatchResult`.

    Examples
    --------
    >>> import numpy as np
    >>> import secondorder as so
    >>> def double_well(x):
    ...     return (x[0] ** 2 - 1.0) ** 2 + 0.1 * x[0]
    >>> result = so.multistart(double_well, so.draw_starts(8, bounds=[(-2.0, 2.0)]), method="bfgs")
    >>> [(m.x.round(2).tolist(), m.count) for m in result.minima]
    [([-1.01], 4), ([0.99], 4)]
    """
    if not isinstance(xtol, numbers.Real) or not xtol >= 0.0:
        raise ValueError(f"xtol={xtol!r} must be a number of at least 0")
    X0 = real_array("X0", X0)
    if X0.ndim != 2 or len(X0) == 0:
        raise ValueError(f"X0 has shape {X0.shape}; multistart takes (B, n), B >= 1 starts of n variables")
    if type(args) is not tuple:
        args = (args,)
    found = minimize_batch(
        fun, X0, args, method, jac, hess, hessp, tol, options,
        batched=(False,) * len(args), workers=workers, device=device, backend=backend, progress=progress,
        second_order=second_order,
    )  # fmt: skip
    minima = distinct(found.x, found.fun, found.success, X0, xtol)
    best = minima[0].starts[0] if minima else lowest(found.fun)
    result = found.problem(best)
    result["minima"], result["batch"] = minima, found
    return result
