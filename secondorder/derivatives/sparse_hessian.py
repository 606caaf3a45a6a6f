"""Sparse Hessians from a few Hessian-vector products: products with sums of unit vectors, chosen by star colouring."""

import numpy as np

from secondorder.derivatives.star_coloring import best_star_coloring
from secondorder.derivatives.transforms import hvp

TOLERANCE = 1e-8  # of a row's |H||v|: products that differ by more show an entry outside the pattern


class SparseHessian:
    """The Hessian of f as a sparse matrix; see `hessian`.

    Attributes
    ----------
    color : array of int64, shape (n,)
        The group of each variable: the products are with the sums of unit vectors of one colour.
    colors : int
        How many products a call takes.
    """

    def __init__(self, f, pattern, source=None, check=True):
        starts, columns = symmetric_pattern(pattern)
        n = self.n = starts.size - 1
        rows = np.repeat(np.arange(n), np.diff(starts))
        edges = rows != columns
        degrees = np.bincount(rows[edges], minlength=n)
        self.color, self.colors, readers = best_star_coloring(np.append(0, np.cumsum(degrees)), columns[edges])
        reader = rows.copy()  # the row of the products that each entry is read from
        reader[edges] = readers
        other = np.where(reader == rows, columns, rows)
        self._places = self.color[other] * n + reader
        self._starts, self._columns = starts, columns
        self._hvp = hvp(f, source=source)
        self._checked, self._check = False, check

    def __call__(self, x, *args):
        """H(x) as a scipy.sparse.csr_array of shape (n, n)."""
        from scipy.sparse import csr_array

        x = np.asarray(x, np.float64)
        if x.shape != (self.n,):
            raise ValueError(f"hessian: x has shape {x.shape}; the pattern is of shape ({self.n}, {self.n})")
        products = np.empty((self.colors, self.n))
        for c in range(self.colors):
            products[c] = self._hvp(x, (self.color == c).astype(np.float64), *args)
        H = csr_array((products.ravel()[self._places], self._columns, self._starts), shape=(self.n, self.n))
        if self._check or not self._checked:
            self.compare(H, x, args)
            self._checked = True
        return H

    def compare(self, H, x, args):
        """Refuse a pattern that H does not have: compare one product with a vector that has no pattern."""
        v = np.random.default_rng(0).uniform(0.5, 1.0, self.n)
        right = self._hvp(x, v, *args)
        size = abs(H) @ v
        if not np.isfinite(right).all() or not np.isfinite(size).all():
            return
        wrong = np.abs(H @ v - right) / np.maximum(size, TOLERANCE * max(size.max(), np.abs(right).max()) + 1e-300)
        i = int(np.argmax(wrong))
        if wrong[i] > TOLERANCE:
            raise ValueError(
                f"hessian: the pattern leaves out entries that are not zero: row {i} of H v is {right[i]:.6g}, and "
                f"by the pattern {(H @ v)[i]:.6g}. Add the missing entries, or leave pattern out for a dense matrix"
            )


def symmetric_pattern(pattern):
    """(starts, columns) of the compressed rows of a pattern, with the whole diagonal; ValueError if not symmetric."""
    from scipy.sparse import coo_array, eye_array, issparse

    if issparse(pattern):
        rows, columns = pattern.tocoo().coords
        shape = pattern.shape
    else:
        rows, columns = (np.asarray(part, np.int64) for part in pattern)
        n = 1 + max(rows.max(initial=-1), columns.max(initial=-1))
        shape = n, n
    if len(shape) != 2 or shape[0] != shape[1]:
        raise ValueError(f"hessian: the pattern has shape {shape}; it must be square")
    made = coo_array((np.ones(rows.size, np.int8), (rows, columns)), shape=shape) + eye_array(shape[0], dtype=np.int8)
    made = made.tocsr()
    made.sum_duplicates()
    made.sort_indices()
    turned = made.T.tocsr()
    turned.sort_indices()
    if not (np.array_equal(made.indptr, turned.indptr) and np.array_equal(made.indices, turned.indices)):
        raise ValueError("hessian: the pattern is not symmetric; give both halves: pattern + pattern.T")
    return made.indptr.astype(np.int64), made.indices.astype(np.int64)
