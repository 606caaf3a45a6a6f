"""Averages of iterates: how much of the k-th point goes into the average after it.

    Polyak          the mean of all points but the first `start`                            [1]
    exponential     decay * average + (1 - decay) * x, from the first point on              [2]
                    debiased, from 0 and divided by 1 - decay^k

A debiased average with decay 1, in the limit, is the mean: so one formula has all three.

References
----------
[1] Polyak, Juditsky. Acceleration of stochastic approximation by averaging. SIAM J. Control Optim. 30 (1992) 838-855.
    doi:10.1137/0330046
[2] Tarvainen, Valpola. Mean teachers are better role models. NIPS 2017. Eq. 1. arXiv:1703.01780
"""

from secondorder.jit import inlined, leaf

N_LAW = 3  # start, decay, debias, as numbers


@inlined
def weight(k, start, decay, debias):
    """The share of the k-th point, k = 1, 2, ..., in the average after it."""
    if k <= start + 1:
        return 1.0
    if decay == 1.0:
        return 1.0 / (k - start)
    # the sum of decay^i (1 - decay) over i < k is 1 - decay^k: the debiased average is a weighted mean
    return (1.0 - decay) / (1.0 - decay**k if debias else 1.0)


@leaf
def take_in(k, law, x, average):
    """average (n,) <- that after the k-th point x; law: (start, decay, debias)."""
    w = weight(k, law[0], law[1], law[2] != 0.0)
    for i in range(x.shape[0]):
        # also where there is nothing to forget: an average of nan would stay nan
        average[i] = x[i] if w == 1.0 else average[i] + w * (x[i] - average[i])
