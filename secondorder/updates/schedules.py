"""Learning rates after t = 0, 1, 2, ... steps: one scalar function each. SCHEDULES is the one list of them.

schedule(t, f, p, memory) -> lr. p has the parameters in the order of the table; f is the value at hand, and memory what
was remembered, for "reduce-on-plateau". Any schedule may have a warm-up before it, for which two more parameters come
first: see `warmed_up`. After its last step a schedule keeps its last value.

References
----------
[1] Robbins, Monro. A stochastic approximation method. Ann. Math. Stat. 22 (1951) 400-407. doi:10.1214/aoms/1177729586
[2] Loshchilov, Hutter. SGDR: stochastic gradient descent with warm restarts. ICLR 2017. Eq. 5. arXiv:1608.03983
[3] Smith, Topin. Super-convergence: very fast training of neural networks using large learning rates. arXiv:1708.07120
[4] Goyal et al. Accurate, large minibatch SGD. arXiv:1706.02677, 2017. Section 2.2.
"""

import math

from secondorder.jit import f8, inlined, intp, vector

SCHEDULE = f8(intp, f8, vector, vector)
N_WARM_UP = 2  # parameters of the warm-up


@inlined
def warmed_up(t, steps, start):
    """(t of the schedule proper, factor of its rate): from start to 1 along a line, before the schedule begins [4]."""
    if t >= steps:
        return t - int(steps), 1.0
    return 0, start + (1.0 - start) * t / steps


def constant(t, f, p, memory):
    """lr."""
    return p[0]


def step_decay(t, f, p, memory):
    """lr factor^floor(t / every)."""
    return p[0] * p[1] ** math.floor(t / p[2])


def exponential(t, f, p, memory):
    """lr factor^(t / steps)."""
    return p[0] * p[1] ** (t / p[2])


def inverse_time(t, f, p, memory):
    """lr / (1 + t / steps)^power; [1] asks for a power in (1/2, 1]."""
    return p[0] / (1.0 + t / p[1]) ** p[2]


def polynomial(t, f, p, memory):
    """end + (lr - end) (1 - t / steps)^power until t = steps."""
    left = 1.0 - min(t / p[1], 1.0)
    return p[2] + (p[0] - p[2]) * left ** p[3]


def cosine(t, f, p, memory):
    """end + (lr - end) (1 + cos(pi t / steps)) / 2 until t = steps."""
    return between(p[0], p[2], min(t / p[1], 1.0))


def warm_restarts(t, f, p, memory):
    """`cosine` again and again; cycle i takes steps growth^i steps [2]."""
    length, left = p[1], 1.0 * t
    if p[3] == 1.0:
        left -= length * math.floor(left / length)
    while left >= length:
        left -= length
        length *= p[3]
    return between(p[0], p[2], left / length)


def one_cycle(t, f, p, memory):
    """Up to lr and down again along cosines [3], in PyTorch's two phases.

    From lr / div to lr in the first share of the steps, then to lr / (div final_div), which step t = steps - 1 has.
    """
    lr, steps, share, div, final_div = p[0], p[1], p[2], p[3], p[4]
    top = share * steps - 1.0
    if t <= top:
        return between(lr / div, lr, t / top)
    return between(lr, lr / (div * final_div), min((t - top) / (steps - 1.0 - top), 1.0))


def reduce_on_plateau(t, f, p, memory):
    """lr, times factor whenever f has not fallen for more than `patience` steps. memory: lr, least f, steps, cooldown.

    f has fallen where f < (1 - rtol) least f. After a reduction `cooldown` steps do not count. nan has not fallen.
    """
    lr, factor, patience, rtol, cooldown, least = p[0], p[1], p[2], p[3], p[4], p[5]
    if t == 0:
        memory[0], memory[1], memory[2], memory[3] = lr, math.inf, 0.0, 0.0
    if f < memory[1] * (1.0 - rtol):
        memory[1], memory[2] = f, 0.0
    else:
        memory[2] += 1.0
    if memory[3] > 0.0:
        memory[3] -= 1.0
        memory[2] = 0.0
    if memory[2] > patience:
        memory[0] = max(memory[0] * factor, least)
        memory[2], memory[3] = 0.0, cooldown
    return memory[0]


@inlined
def between(first, last, share):
    """From first to last along half a cosine."""
    return last + (first - last) * 0.5 * (1.0 + math.cos(math.pi * share))


# name: (function, names of its parameters in order)
SCHEDULES = {
    "constant": (constant, ("lr",)),
    "step-decay": (step_decay, ("lr", "factor", "every")),
    "exponential": (exponential, ("lr", "factor", "steps")),
    "inverse-time": (inverse_time, ("lr", "steps", "power")),
    "polynomial": (polynomial, ("lr", "steps", "end", "power")),
    "cosine": (cosine, ("lr", "steps", "end")),
    "warm-restarts": (warm_restarts, ("lr", "steps", "end", "growth")),
    "one-cycle": (one_cycle, ("lr", "steps", "share", "div", "final_div")),
    "reduce-on-plateau": (reduce_on_plateau, ("lr", "factor", "patience", "rtol", "cooldown", "least")),
}
