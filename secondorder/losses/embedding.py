"""Losses of vectors: how near they are to one another.

A distance of 0 has no direction: derivatives count it as constant there.

References
----------
[1] Hadsell, Chopra, LeCun. Dimensionality reduction by learning an invariant mapping. CVPR 2006. Eq. 4.
[2] Schroff, Kalenichenko, Philbin. FaceNet. CVPR 2015. Eq. 2. arXiv:1503.03832
[3] Wen, Zhang, Li, Qiao. A discriminative feature learning approach for deep face recognition. ECCV 2016. Eqs. 2 and 4.
"""

import math

import numpy as np

from secondorder.jit import public
from secondorder.losses.shapes import check_classes, check_columns, check_like, check_rows, check_tuples

EPS = 1e-8  # the smallest norm that a cosine divides by; as in PyTorch


@public
def cosine_similarity(z, t):
    """One minus the cosine of the angle between rows: mean of 1 - z't / (|z| |t|), norms at least 1e-8.

    Parameters
    ----------
    z : ndarray, shape (n, m)
        Vectors.
    t : ndarray, shape (n, m)
        Their targets.

    Returns
    -------
    float

    Examples
    --------
    >>> import numpy as np
    >>> import secondorder as so
    >>> float(so.losses.cosine_similarity(np.array([[2.0, 0.0]]), np.array([[0.0, 3.0]])))
    1.0
    """
    check_rows(z, t)
    check_columns(z, t)
    f = 0.0
    for i in range(z.shape[0]):
        zt, zz, tt = 0.0, 0.0, 0.0
        for j in range(z.shape[1]):
            zt += z[i, j] * t[i, j]
            zz += z[i, j] * z[i, j]
            tt += t[i, j] * t[i, j]
        size = EPS if zz <= EPS * EPS else math.sqrt(zz)
        f += 1.0 - zt / (size * max(math.sqrt(tt), EPS))
    return f / z.shape[0]


@public
def angle(z, t):
    """(cosine, |z|, |t|, does |z| vary?) of two vectors, norms at least EPS."""
    zt, zz, tt = 0.0, 0.0, 0.0
    for j in range(z.shape[0]):
        zt += z[j] * t[j]
        zz += z[j] * z[j]
        tt += t[j] * t[j]
    varies = not zz <= EPS * EPS  # also where it is nan
    size, length = math.sqrt(zz) if varies else EPS, max(math.sqrt(tt), EPS)
    return zt / (size * length), size, length, varies


@public
def cosine_similarity_gradient(z, t, g):
    """g <- -(t / |t| - cos z / |z|) / (|z| n), row by row; returns the loss."""
    check_rows(z, t)
    check_columns(z, t)
    check_like(z, g)
    f, n = 0.0, z.shape[0]
    for i in range(n):
        cosine, size, length, varies = angle(z[i], t[i])
        f += 1.0 - cosine
        for j in range(z.shape[1]):
            along = cosine * z[i, j] / size if varies else 0.0
            g[i, j] = -(t[i, j] / length - along) / (size * n)
    return f / n


@public
def cosine_similarity_product(z, t, v, out):
    """out <- H v, row by row."""
    check_rows(z, t)
    check_columns(z, t)
    check_like(z, v)
    check_like(z, out)
    n = z.shape[0]
    for i in range(n):
        cosine, size, length, varies = angle(z[i], t[i])
        uv, wv = 0.0, 0.0
        for j in range(z.shape[1]):
            uv += z[i, j] / size * v[i, j]
            wv += t[i, j] / length * v[i, j]
        for j in range(z.shape[1]):
            u, w = z[i, j] / size, t[i, j] / length
            # the derivative along v of (w - cos u) / |z|, where cos and |z| have slopes (wv - cos uv) / |z| and uv
            change = -(wv - cosine * uv) * u - cosine * (v[i, j] - u * uv) - (w - cosine * u) * uv
            out[i, j] = -change / (size * size * n) if varies else 0.0
    return 0.0


@public
def contrastive(z, t, margin=1.0):
    """The contrastive loss [1] of pairs at distance d: mean of d^2 / 2, or max(0, margin - d)^2 / 2 if not alike.

    Parameters
    ----------
    z : ndarray, shape (n, 2, m)
        Pairs of vectors.
    t : ndarray, shape (n,)
        1 where they are alike, 0 where not ([1] has it the other way round).
    margin : float, default 1.0
        > 0: pairs that are not alike and further apart count for nothing.

    Returns
    -------
    float

    References
    ----------
    [1] Hadsell, Chopra, LeCun. Dimensionality reduction by learning an invariant mapping. CVPR 2006. Eq. 4.
    """
    check_rows(z, t)
    check_tuples(z, 2)
    f = 0.0
    for i in range(z.shape[0]):
        square = 0.0
        for j in range(z.shape[2]):
            square += (z[i, 0, j] - z[i, 1, j]) ** 2
        if t[i] > 0.5:
            f += 0.5 * square
        elif square == 0.0:
            f += 0.5 * margin * margin
        elif not square >= margin * margin:  # also where it is nan
            f += 0.5 * (margin - math.sqrt(square)) ** 2
    return f / z.shape[0]


@public
def distance(a, b):
    """|a - b|_2."""
    square = 0.0
    for j in range(a.shape[0]):
        square += (a[j] - b[j]) ** 2
    return math.sqrt(square)


@public
def contrastive_gradient(z, t, margin, g):
    """g <- +-(a - b) / n for pairs alike, else +-(1 - margin / d) (a - b) / n where d < margin; returns the loss."""
    check_rows(z, t)
    check_tuples(z, 2)
    check_like(z, g)
    f, n = 0.0, z.shape[0]
    for i in range(n):
        d = distance(z[i, 0], z[i, 1])
        if t[i] > 0.5:
            f += 0.5 * d * d
            factor = 1.0
        else:
            short = margin - d
            f += 0.5 * short * short if short > 0.0 else 0.0 * short
            factor = -short / d if short > 0.0 and d > 0.0 else 0.0 * d
        for j in range(z.shape[2]):
            slope = factor * (z[i, 0, j] - z[i, 1, j]) / n
            g[i, 0, j], g[i, 1, j] = slope, -slope
    return f / n


@public
def contrastive_product(z, t, margin, v, out):
    """out <- H v, pair by pair."""
    check_rows(z, t)
    check_tuples(z, 2)
    check_like(z, v)
    check_like(z, out)
    n = z.shape[0]
    for i in range(n):
        d = distance(z[i, 0], z[i, 1])
        across, along = 1.0, 0.0  # H w = across w + along u u'w, u the direction of a - b, w the difference of v
        if t[i] <= 0.5:
            across = 1.0 - margin / d if 0.0 < d < margin else 0.0
            along = margin / d if 0.0 < d < margin else 0.0
        uw = 0.0
        if along != 0.0:
            for j in range(z.shape[2]):
                uw += (z[i, 0, j] - z[i, 1, j]) / d * (v[i, 0, j] - v[i, 1, j])
        for j in range(z.shape[2]):
            change = across * (v[i, 0, j] - v[i, 1, j])
            if along != 0.0:
                change += along * uw * (z[i, 0, j] - z[i, 1, j]) / d
            out[i, 0, j], out[i, 1, j] = change / n, -change / n
    return 0.0


@public
def triplet(z, margin=1.0, squared=False):
    """The triplet loss: mean of max(0, d(a, p) - d(a, q) + margin), for an anchor a, one like it, p, and another, q.

    Parameters
    ----------
    z : ndarray, shape (n, 3, m)
        Triplets a, p, q.
    margin : float, default 1.0
        > 0; as in PyTorch. [2] has 0.2.
    squared : bool, default False
        Squared distances, as in [2]; False: distances, as in PyTorch.

    Returns
    -------
    float

    References
    ----------
    [2] Schroff, Kalenichenko, Philbin. FaceNet. CVPR 2015. Eq. 2. arXiv:1503.03832
    """
    check_tuples(z, 3)
    f = 0.0
    for i in range(z.shape[0]):
        near, far = 0.0, 0.0
        for j in range(z.shape[2]):
            near += (z[i, 0, j] - z[i, 1, j]) ** 2
            far += (z[i, 0, j] - z[i, 2, j]) ** 2
        if not squared:
            near = 0.0 if near == 0.0 else math.sqrt(near)
            far = 0.0 if far == 0.0 else math.sqrt(far)
        f += max(near - far + margin, 0.0)
    return f / z.shape[0]


@public
def triplet_gradient(z, margin, squared, g):
    """g <- the gradient, 0 for triplets that are far enough apart; returns the loss."""
    check_tuples(z, 3)
    check_like(z, g)
    f, n = 0.0, z.shape[0]
    for i in range(n):
        near, far = distance(z[i, 0], z[i, 1]), distance(z[i, 0], z[i, 2])
        loss = (near * near - far * far if squared else near - far) + margin
        f += max(loss, 0.0)
        to_p, to_q = slope_of(near, squared, loss) / n, slope_of(far, squared, loss) / n
        for j in range(z.shape[2]):
            p, q = to_p * (z[i, 0, j] - z[i, 1, j]), to_q * (z[i, 0, j] - z[i, 2, j])
            g[i, 0, j], g[i, 1, j], g[i, 2, j] = p - q, -p, q
    return f / n


@public
def slope_of(d, squared, loss):
    """What the difference of two vectors is multiplied with in the gradient of their distance, where loss > 0."""
    if not loss > 0.0:
        return 0.0 * loss
    if squared:
        return 2.0
    return 1.0 / d if d > 0.0 else 0.0


@public
def triplet_product(z, margin, squared, v, out):
    """out <- H v, triplet by triplet."""
    check_tuples(z, 3)
    check_like(z, v)
    check_like(z, out)
    n = z.shape[0]
    for i in range(n):
        near, far = distance(z[i, 0], z[i, 1]), distance(z[i, 0], z[i, 2])
        loss = (near * near - far * far if squared else near - far) + margin
        to_p, to_q = slope_of(near, squared, loss) / n, slope_of(far, squared, loss) / n
        along_p, along_q = 0.0, 0.0  # a distance has no curvature along its direction
        if not squared:
            for j in range(z.shape[2]):
                along_p += to_p * n * (z[i, 0, j] - z[i, 1, j]) * (v[i, 0, j] - v[i, 1, j])
                along_q += to_q * n * (z[i, 0, j] - z[i, 2, j]) * (v[i, 0, j] - v[i, 2, j])
        for j in range(z.shape[2]):
            p, q = v[i, 0, j] - v[i, 1, j], v[i, 0, j] - v[i, 2, j]
            if not squared:
                p -= along_p * to_p * n * (z[i, 0, j] - z[i, 1, j])
                q -= along_q * to_q * n * (z[i, 0, j] - z[i, 2, j])
            p, q = to_p * p, to_q * q
            out[i, 0, j], out[i, 1, j], out[i, 2, j] = p - q, -p, q
    return 0.0


@public
def center(z, t, centers):
    """The center loss [3]: mean of |z - c_t|^2 / 2, c_t the center of the row's class.

    Parameters
    ----------
    z : ndarray, shape (n, m)
        Vectors.
    t : ndarray of int, shape (n,)
        The class of each row, from 0.
    centers : ndarray, shape (classes, m)
        Their centers, constants here: `moved_centers` has their own update.

    Returns
    -------
    float

    References
    ----------
    [3] Wen, Zhang, Li, Qiao. A discriminative feature learning approach for deep face recognition. ECCV 2016. Eqs. 2
        and 4. [3] has a sum where we have a mean.
    """
    check_rows(z, t)
    check_columns(z, centers)
    check_classes(t, centers.shape[0])
    f = 0.0
    for i in range(z.shape[0]):
        for j in range(z.shape[1]):
            e = z[i, j] - centers[t[i], j]
            f += 0.5 * e * e
    return f / z.shape[0]


@public
def center_gradient(z, t, centers, g):
    """g <- (z - c_t) / n; returns the loss."""
    check_rows(z, t)
    check_columns(z, centers)
    check_classes(t, centers.shape[0])
    check_like(z, g)
    f, n = 0.0, z.shape[0]
    for i in range(n):
        for j in range(z.shape[1]):
            e = z[i, j] - centers[t[i], j]
            f += 0.5 * e * e
            g[i, j] = e / n
    return f / n


@public
def center_product(z, t, centers, v, out):
    """out <- v / n."""
    check_rows(z, t)
    check_columns(z, centers)
    check_classes(t, centers.shape[0])
    check_like(z, v)
    check_like(z, out)
    for i in range(z.shape[0]):
        for j in range(z.shape[1]):
            out[i, j] = v[i, j] / z.shape[0]
    return 0.0


def moved_centers(z, t, centers, alpha=0.5):
    """The centers after a step towards their classes' vectors: c_k - alpha sum (c_k - z) / (1 + count), over t = k [3].

    Parameters
    ----------
    z : array_like, shape (n, m)
        Vectors.
    t : array_like of int, shape (n,)
        The class of each row, from 0.
    centers : array_like, shape (classes, m)
        The centers; they are not changed.
    alpha : float, default 0.5
        In [0, 1]; [3].

    Returns
    -------
    ndarray, shape (classes, m)

    Examples
    --------
    >>> import secondorder as so
    >>> so.losses.moved_centers([[2.0], [4.0]], [0, 0], [[0.0], [1.0]], alpha=0.5).tolist()
    [[1.0], [1.0]]
    """
    z, t, centers = np.asarray(z), np.asarray(t), np.asarray(centers, dtype=float)
    counts = np.bincount(t, minlength=len(centers))
    sums = np.zeros_like(centers)
    np.add.at(sums, t, z)
    return centers - alpha * (counts[:, None] * centers - sums) / (1 + counts)[:, None]
