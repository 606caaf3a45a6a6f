"""Benchmarks for airspeed velocity (asv), on one thread each unless `threads` is a parameter."""

import contextlib
import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"  # for what isn't loaded yet, and for processes started from here

with contextlib.suppress(ImportError):
    from threadpoolctl import threadpool_limits

    threadpool_limits(1)  # for the NumPy that asv has loaded
