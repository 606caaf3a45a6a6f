"""What runs in Numba's simulator is collected there only: test_simulator.py runs it in a process of its own."""

import sys
import threading

import pytest
from numba import config

collect_ignore_glob = [] if config.ENABLE_CUDASIM else ["simulated*.py"]

if config.ENABLE_CUDASIM:
    sys.setswitchinterval(1e-5)  # its threads wait for one another by polling: each wait is a turn of Python's lock


@pytest.fixture
def whole_arrays_only(monkeypatch):
    """An error where the host reads or writes one entry of an array of the simulated device."""
    from numba.cuda.cudadrv.devicearray import FakeCUDAArray

    main = threading.main_thread()  # kernels run in threads of their own

    def guarded(of_array):
        def method(array, index, *value):
            whole = isinstance(index, slice | tuple) or array.ndim > 1
            assert whole or threading.current_thread() is not main, "an entry, from the host"
            return of_array(array, index, *value)

        return method

    for name in ("__getitem__", "__setitem__"):
        monkeypatch.setattr(FakeCUDAArray, name, guarded(getattr(FakeCUDAArray, name)))
