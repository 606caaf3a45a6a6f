"""Modified Cholesky factorizations as in the papers, on whole matrices with NumPy."""

import numpy as np

EPS = 2.0**-52


def swapped(C, p, i, j):
    order = np.arange(len(C))
    order[[i, j]] = order[[j, i]]
    return C[np.ix_(order, order)], p[order]


def gill_murray_wright(H):
    """(p, E): the order of the pivots and the diagonal added, in that order."""
    n = len(H)
    C, p, E = H.copy(), np.arange(n), np.zeros(n)
    gamma, xi = np.max(abs(np.diag(H))), np.max(abs(H - np.diag(np.diag(H))))
    beta2, delta = max(gamma, xi / np.sqrt(max(n * n - 1, 1))), EPS * (gamma + xi)
    for j in range(n):
        C, p = swapped(C, p, j, j + np.argmax(abs(np.diag(C))[j:]))
        theta = np.max(abs(C[j + 1 :, j]), initial=0.0)
        d = max(abs(C[j, j]), theta**2 / beta2, delta)
        E[j] = d - C[j, j]
        C[j + 1 :, j + 1 :] -= np.outer(C[j + 1 :, j], C[j + 1 :, j]) / d
    return p, E


def schnabel_eskow(H):
    """The same by the revised algorithm of 1999."""
    n = len(H)
    C, p, E = H.copy(), np.arange(n), np.zeros(n)
    tau, tau2, mu, gamma = EPS ** (1 / 3), EPS ** (2 / 3), 0.1, np.max(abs(H))

    def eliminate(j):
        C[j + 1 :, j + 1 :] -= np.outer(C[j + 1 :, j], C[j + 1 :, j]) / C[j, j]

    j = 0
    while j < n:
        d = np.diag(C)[j:]
        if d.max() <= tau2 * gamma or d.min() < -mu * d.max():
            break
        C, p = swapped(C, p, j, j + np.argmax(d))
        if np.any(np.diag(C)[j + 1 :] - C[j + 1 :, j] ** 2 / C[j, j] < -mu * gamma):
            break
        eliminate(j)
        j += 1
    if j == n - 1:
        E[j] = -C[j, j] + max(-tau * C[j, j] / (1 - tau), tau2 * gamma)
    elif j < n:
        g = np.diag(C) - (np.sum(abs(C[:, j:]), axis=1) - abs(np.diag(C)))
        e = 0.0
        for k in range(j, n - 2):
            i = k + np.argmax(g[k:])
            C, p = swapped(C, p, k, i)
            g[[k, i]] = g[[i, k]]
            norm = np.sum(abs(C[k + 1 :, k]))
            E[k] = e = max(e, -C[k, k] + max(norm, tau2 * gamma))
            C[k, k] += e
            g[k + 1 :] += abs(C[k + 1 :, k]) * (1 - norm / C[k, k])
            eliminate(k)
        low, high = np.linalg.eigvalsh(C[n - 2 :, n - 2 :])
        E[n - 2 :] = max(e, -low + max(tau * (high - low) / (1 - tau), tau2 * gamma))
    return p, E


def equilibrating(H):
    """E of E H E, by Ruiz's sweeps in whole exponents of 2 relative to the largest element."""
    n, top = len(H), np.frexp(np.max(abs(H)))[1]
    with np.errstate(divide="ignore"):
        size = np.where(H == 0.0, -np.inf, np.frexp(H)[1] - top)
    e = np.zeros(n)
    for _ in range(12):
        m = np.max(size - e[:, None] - e, axis=1)
        e += np.where(np.isinf(m), 0.0, np.floor(0.5 * m))
    return 2.0 ** (np.max(e) - e)
