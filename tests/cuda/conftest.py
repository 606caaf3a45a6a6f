"""What runs in Numba's simulator is collected there only: test_simulator.py runs it in a process of its own."""

import sys

from numba import config

collect_ignore_glob = [] if config.ENABLE_CUDASIM else ["simulated*.py"]

if config.ENABLE_CUDASIM:
    sys.setswitchinterval(1e-5)  # its threads wait for one another by polling: each wait is a turn of Python's lock
