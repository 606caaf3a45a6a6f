"""The command line: `python -m secondorder compare`, `info` and `cache`.

What was asked for goes to stdout, progress and errors to stderr. Exit codes: 0 done, 1 failed, 2 wrong usage, 130
interrupted, 141 the reader of a pipe went away.
"""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import time


def main(arguments=None):
    """Run the command line; returns the exit code."""
    parsed = parser().parse_args(arguments)
    try:
        code = parsed.run(parsed)
        sys.stdout.flush()
    except BrokenPipeError:
        # what is still buffered has nowhere to go: keep the interpreter from trying again at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt:
        return 130
    except Failure as failure:
        print(f"secondorder: {failure}", file=sys.stderr)
        return 1
    return code


class Failure(Exception):
    """An error with a sentence for the user."""


def parser():
    """The parser of the command line."""
    top = argparse.ArgumentParser(prog="python -m secondorder", description="Second-order minimization: tools.")
    commands = top.add_subparsers(required=True, metavar="command")

    sub = commands.add_parser("compare", help="our methods and scipy's on the classic functions")
    sub.set_defaults(run=run_compare)
    sub.add_argument("--problems", type=problem_names, metavar="A,B", help="names of test problems; default all")
    sub.add_argument("--methods", type=method_names, metavar="A,B", help="names of methods; default all")
    sub.add_argument("--scipy", action=argparse.BooleanOptionalAction, default=True, help="scipy's counterparts too")
    sub.add_argument("--gtol", type=positive, help="stop when |g|_inf <= gtol max(1, |g(x0)|_inf); default 1e-8")
    sub.add_argument("--json", action="store_true", help="print settings and records as JSON")
    sub.add_argument("--plot", type=picture, metavar="FILE", help="write performance profiles (png, pdf, svg)")

    sub = commands.add_parser("info", help="versions, processor, threads and the compile cache: for bug reports")
    sub.set_defaults(run=run_info)

    sub = commands.add_parser("cache", help="the compile cache: where it is and how large, unless told otherwise")
    sub.set_defaults(run=run_cache)
    action = sub.add_mutually_exclusive_group()
    action.add_argument("--warm", action="store_true", help="compile all that any objective may need")
    action.add_argument("--clear", action="store_true", help="delete it")
    action.add_argument("--path", action="store_true", help="print its folder and nothing else")
    return top


# ------------------------------------------------------------------------------------------ arguments, checked


def checked_names(text, look):
    """The names in "a,b", each found by `look`, which raises a ValueError that helps."""
    try:
        names = [look(name.strip()) for name in text.split(",") if name.strip()]
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if not names:
        raise argparse.ArgumentTypeError("no name given")
    return names


def problem_names(text):
    """Names of problems."""
    from secondorder.options import lookup
    from secondorder.problems import PROBLEMS

    return checked_names(text, lambda name: lookup("problem", name, PROBLEMS).name)


def method_names(text):
    """Names of methods; scipy's will do."""
    from secondorder.minimize import find_method

    return checked_names(text, lambda name: find_method(name)[0])


def positive(text):
    """A positive number."""
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
    if not 0.0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} must be positive and finite")
    return value


def picture(text):
    """A file that a figure can be written to; checked before the minute that it takes to have something to draw."""
    path = pathlib.Path(text)
    if not path.suffix:
        raise argparse.ArgumentTypeError(f"{text!r} needs an ending that names the format, such as .png, .pdf or .svg")
    if not path.absolute().parent.is_dir():
        raise argparse.ArgumentTypeError(f"there is no folder {str(path.parent)!r}")
    return path


# --------------------------------------------------------------------------------------------------- compare


def run_compare(parsed):
    """Run the comparison and print it."""
    from secondorder.compare import GTOL, METRICS, compare, performance_profile

    figure = new_figure(parsed.plot) if parsed.plot else None
    comparison = compare(
        parsed.problems,
        parsed.methods,
        scipy=parsed.scipy,
        gtol=parsed.gtol or GTOL,
        progress=progress if sys.stderr.isatty() else None,
    )
    print(comparison.to_json() if parsed.json else comparison)
    if figure is not None:
        from secondorder import plots

        for ax, metric in zip(figure.subplots(1, 2), METRICS, strict=True):
            plots.performance_profile(performance_profile(comparison, metric), ax)
        try:
            figure.savefig(parsed.plot)
        except (OSError, ValueError) as error:  # ValueError: a format that matplotlib doesn't have
            raise Failure(f"can't write {parsed.plot}: {error}") from error
        print(f"wrote {parsed.plot}", file=sys.stderr)
    return 0


def new_figure(path):
    """An empty figure, or a failure that says what is missing."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise Failure("--plot needs matplotlib: pip install 'secondorder[plot]'") from None
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    known = figure.canvas.get_supported_filetypes()
    if path.suffix[1:].lower() not in known:
        raise Failure(f"can't write {path}: the format must be one of {', '.join(sorted(known))}")
    return figure


def progress(k, total, name):
    """Say on the terminal how far it is."""
    print(f"\r\033[K{k + 1}/{total} {name}", end="\r\033[K" if k + 1 == total else "", file=sys.stderr, flush=True)


# ------------------------------------------------------------------------------------------------------ info


def run_info(parsed):
    """Print what a bug report needs."""
    from secondorder import jit
    from secondorder.backends import cuda, threads
    from secondorder.compare import versions

    rows = versions()
    rows["system"] = f"{os.uname().sysname} {os.uname().release}" if hasattr(os, "uname") else sys.platform
    rows["cpu"] = f"{rows['cpu']}, {processor()}".rstrip(", ")
    rows["cores"] = f"{rows['cores']} of {os.cpu_count()}"
    rows["numba threads"] = f"{threads.most()}, layer {threads.layer()}"
    rows["blas threads"] = blas_threads()
    rows["cuda"] = "a device is there" if cuda.is_available() else "no device"
    rows["compiler"] = "off: NUMBA_DISABLE_JIT is set" if jit.JIT_DISABLED else "on"
    rows["cache"] = f"{jit.cache_root()}, {cache_size(jit.cache_root())}"
    width = max(map(len, rows))
    for name, value in rows.items():
        print(f"{name.rjust(width)}  {value}")
    return 0


def processor():
    """The processor's name as its maker gives it, where the system tells."""
    try:
        for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return ""


def blas_threads():
    """The BLAS libraries loaded and their threads."""
    import scipy.linalg  # noqa: F401 - loads scipy's own BLAS

    from secondorder.compare import blas_threads_from_environment

    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        return blas_threads_from_environment()
    found = [
        f"{library['num_threads']} ({library['internal_api']} {library.get('version')})"
        for library in threadpool_info()
        if library["user_api"] == "blas"
    ]
    return ", ".join(found) or "no BLAS library found"


# ----------------------------------------------------------------------------------------------------- cache


def run_cache(parsed):
    """Show, fill or delete the compile cache."""
    from secondorder import jit

    root = jit.cache_root()
    if parsed.path:
        print(root)
    elif parsed.clear:
        size = cache_size(root)
        try:
            if root.exists():
                shutil.rmtree(root)
        except OSError as error:
            raise Failure(f"can't delete {root}: {error}") from error
        print(f"deleted {root}: {size}")
    elif parsed.warm:
        begun = time.perf_counter()
        n, seconds = warm(), time.perf_counter() - begun
        print(f"{n} combinations ready after {seconds:.1f} s in {jit.cache_folder()}: {cache_size(root)}")
    else:
        print(f"{root}: {cache_size(root)}")
    return 0


def cache_size(root):
    """Number and size of the files in a folder, in words."""
    sizes = [path.stat().st_size for path in root.rglob("*") if path.is_file()] if root.is_dir() else []
    return f"{len(sizes)} files, {sum(sizes) / 1e6:.1f} MB" if sizes else "empty"


def warm():
    """Compile every method, line search, difference rule and bridge to Python, by using them; returns how many runs."""
    from secondorder.line_searches import LINE_SEARCHES
    from secondorder.methods import METHODS
    from secondorder.minimize import minimize

    def fun(x):
        return x @ x

    def pair(x):
        return x @ x, 2.0 * x

    parts = [(method, search) for method in METHODS for search in LINE_SEARCHES]
    runs = [(pair, True, *part) for part in parts] + [(fun, jac, *parts[0]) for jac in ("2-point", "3-point", "cs")]
    for objective, jac, method, search in runs:
        options = {"maxiter": 1, "line_search": search}
        minimize(objective, [1.0, 1.0], jac=jac, method=method, options=options, callback=id, backend="python")
    return len(runs) + warm_updates(pair)


def warm_updates(pair):
    """Compile every update rule for both number types, every schedule, and epochs; returns how many runs.

    Not what depends on a run's options: clipping, noise and masks, and steps that threads share.
    """
    import numpy as np

    from secondorder.backends.updates import schedule_address
    from secondorder.finite_sum import FiniteSum
    from secondorder.fitting import fit
    from secondorder.minimize import minimize
    from secondorder.update import UPDATE_METHODS
    from secondorder.updates import UPDATES
    from secondorder.updates.schedules import SCHEDULES

    for name, module in UPDATES.items():
        hessp = (lambda x, v: 2.0 * v) if "hvp" in module.NEEDS else None
        minimize(pair, [1.0, 1.0], (), name, True, None, hessp, options={"maxiter": 1}, callback=id, backend="python")
        for number in (np.float32, np.float64):
            x, update = np.ones(2, number), UPDATE_METHODS[name].cls()
            update.step(x, np.ones(2, number), update.init(x), f=1.0, diagonal=np.ones(2))
    for function, _names in SCHEDULES.values():
        schedule_address(function)
    rows = FiniteSum(lambda x, row: x[0] * x[0] * row, np.ones(2))
    for method in ("sgd", "newton-cg"):
        fit(rows, [1.0], method, epochs=1)
    return 3 * len(UPDATES) + len(SCHEDULES) + 2


# ------------------------------------------------------------------------------------------------ BLAS threads

BLAS_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def restart_with_one_blas_thread():
    """Run this command anew with one BLAS thread, unless told otherwise: NumPy, loaded by now, has read the number."""
    try:
        import threadpoolctl  # noqa: F401 - with it the comparison sets the number itself
    except ImportError:
        missing = [name for name in BLAS_THREADS if name not in os.environ]
        if not missing:
            return
        environment = os.environ | dict.fromkeys(missing, os.environ.get("OMP_NUM_THREADS", "1"))
        command = [sys.executable, *sys.orig_argv[1:]]
        if os.name == "nt":  # exec there returns to the shell before the program is done
            sys.exit(subprocess.call(command, env=environment))
        os.execve(sys.executable, command, environment)


if __name__ == "__main__":
    if sys.argv[1:2] == ["compare"]:
        restart_with_one_blas_thread()
    sys.exit(main())
