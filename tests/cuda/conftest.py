"""What runs in Numba's simulator is collected there only: test_simulator.py runs it in a process of its own."""

from numba import config

collect_ignore = [] if config.ENABLE_CUDASIM else ["simulated.py"]
