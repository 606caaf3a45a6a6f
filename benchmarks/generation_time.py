"""How long derivatives take to be made: `python benchmarks/generation_time.py`, or `--every 4`, `--slowest 10`.

For each program of tests/derivatives/corpus.py the CPU time, of one thread, until its gradient and its product of the
Hessian with a vector are there to be called: text generated, compiled for the arguments, and run once. First in a
process with an empty cache folder, then in a process that finds them there. Both have imported everything and made the
derivatives of another function before.
"""

import argparse
import json
import os
import pathlib
import platform
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve()
PARTS = ("text", "code", "all")


def warm_up(x):
    s = 0.0
    for i in range(x.size):
        s += x[i] ** 4
    return s


def seconds(function, arguments):
    """CPU seconds: until the text is there (of what isn't in the cache), for the rest, and for all."""
    import numba
    import numpy as np

    from secondorder.derivatives.autodiff.kinds import kind_of
    from secondorder.derivatives.autodiff.module import Generated

    x, *rest = arguments
    out = np.empty_like(x)
    begun = time.process_time()
    made = Generated(function, [kind_of(numba.typeof(a)) for a in arguments])
    for product in ("gradient", "hvp"):
        made.namespace(product)
    text = time.process_time()
    made.compiled("gradient")(x, out, *rest)
    made.compiled("hvp")(x, np.ones_like(x), out, *rest)
    end = time.process_time()
    return text - begun, end - text, end - begun


def child(every):
    """Print name -> seconds."""
    sys.path.insert(0, str(HERE.parents[1]))
    import numpy as np

    from tests.derivatives.corpus import PROGRAMS, arguments

    seconds(warm_up, (np.ones(3),))
    found = {f.__name__: seconds(f, arguments(make)) for f, make, _ in PROGRAMS[::every]}
    json.dump(found, sys.stdout)


def measured(every, cache):
    """The same, from a fresh process with this cache folder."""
    environment = os.environ | {"NUMBA_CACHE_DIR": cache, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, str(HERE), "--child", "--every", str(every)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def quantile(values, q):
    """The q-quantile, one of the values."""
    values = sorted(values)
    return values[min(len(values) - 1, int(q * len(values)))]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--every", type=int, default=1, help="every k-th program")
    parser.add_argument("--slowest", type=int, default=5)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        return child(arguments.every)
    print(f"{time.strftime('%Y-%m-%d')}, {platform.machine()}, Python {platform.python_version()}; CPU seconds")
    with tempfile.TemporaryDirectory() as cache:
        for where in ("empty cache", "from the cache"):
            found = measured(arguments.every, cache)
            print(f"\n{where}, {len(found)} programs")
            for k, part in enumerate(PARTS):
                values = [times[k] for times in found.values()]
                print(f"  {part:5} median {quantile(values, 0.5):.3f}, 90 % below {quantile(values, 0.9):.3f}")
            slowest = sorted(found, key=lambda name: -found[name][2])[: arguments.slowest]
            print("  slowest: " + ", ".join(f"{name} {found[name][2]:.2f}" for name in slowest))
    return None


if __name__ == "__main__":
    main()
