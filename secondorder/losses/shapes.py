"""What the arrays of a loss must have in common: else a loss would read, and write, beyond their ends."""

from secondorder.jit import public


@public
def check_rows(z, t):
    """ValueError unless there are as many targets as predictions, one at least."""
    if z.shape[0] != t.shape[0]:
        raise ValueError("z and t of a loss must have the same length: one target for each prediction")
    if z.shape[0] == 0:
        raise ValueError("z of a loss is empty: its mean needs one row at least")


@public
def check_columns(z, t):
    """ValueError unless there are as many numbers in each row of t, or of centers, as in those of z."""
    if z.shape[1] != t.shape[1]:
        raise ValueError("z and t of a loss, or z and its centers, must have rows of the same length")


@public
def check_classes(t, classes):
    """ValueError unless all of t are in 0 ... classes - 1."""
    for i in range(t.shape[0]):
        if t[i] < 0 or t[i] >= classes:
            raise ValueError("a class in t is not in 0 ... classes - 1: number classes from 0, a column of z for each")


@public
def check_tuples(z, size):
    """ValueError unless z holds pairs, or triplets, of vectors, one at least."""
    if z.shape[1] != size:
        raise ValueError("z must have shape (n, 2, m) for contrastive, pairs, and (n, 3, m) for triplet")
    if z.shape[0] == 0:
        raise ValueError("z of a loss is empty: its mean needs one row at least")


@public
def check_like(z, out):
    """ValueError unless an array beside z, to multiply or to write to, has its shape."""
    if z.shape != out.shape:
        raise ValueError("what a loss's gradient and product write, and the v of a product, must have the shape of z")
