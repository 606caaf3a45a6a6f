"""Line searches: one file a search, all of one signature (see `memory`). LINE_SEARCHES is their table."""

from secondorder.line_searches import (
    armijo,
    fixed,
    hager_zhang,
    more_thuente,
    nonmonotone,
    nonmonotone_average,
    strong_wolfe,
)

LINE_SEARCHES = {
    "hager-zhang": hager_zhang,  # Wolfe or approximate Wolfe
    "armijo": armijo,  # backtracking; values only
    "strong-wolfe": strong_wolfe,  # bracket and zoom
    "more-thuente": more_thuente,  # strong Wolfe; MINPACK-2's dcsrch
    "nonmonotone": nonmonotone,  # backtracking below the highest of the last f
    "nonmonotone-average": nonmonotone_average,  # backtracking below an average of f
    "fixed": fixed,  # the initial step, as it is
}
