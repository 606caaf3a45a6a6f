"""Losses with exact derivatives: functions for Python and for one's own compiled code. LOSSES is the one list of them.

    import secondorder as so

    def risk(w, X, y):                       # minimize, grad and hvp follow the call
        return so.losses.binary_cross_entropy(X @ w, y)

Each loss is the mean over its rows. A row of the table has three compiled functions, all of one signature up to the
last arguments, z being what is differentiated:

    value(z, t, ...) -> f                    also under its own name: losses.mse
    gradient(z, t, ..., g) -> f              writes g, of the shape of z
    product(z, t, ..., v, out) -> 0.0        writes out = H v, H the Hessian at z

Value, gradient and product allocate nothing. At kinks the derivative is that of one side. To add a loss: its three
functions in a file here, and one row.
"""

from typing import NamedTuple

from secondorder.losses import classification as c
from secondorder.losses import embedding as e
from secondorder.losses import regression as r
from secondorder.losses.classification import (
    binary_cross_entropy,
    cross_entropy,
    dice,
    focal,
    hinge,
    kullback_leibler,
)
from secondorder.losses.embedding import center, contrastive, cosine_similarity, moved_centers, triplet
from secondorder.losses.regression import huber, log_cosh, mae, mse

__all__ = [
    "LOSSES",
    "Loss",
    "binary_cross_entropy",
    "center",
    "contrastive",
    "cosine_similarity",
    "cross_entropy",
    "dice",
    "focal",
    "hinge",
    "huber",
    "kullback_leibler",
    "log_cosh",
    "mae",
    "moved_centers",
    "mse",
    "triplet",
]


class Loss(NamedTuple):
    """The three functions of a loss."""

    value: object  # value(z, t, ...) -> f
    gradient: object  # gradient(z, t, ..., g) -> f
    product: object  # product(z, t, ..., v, out) -> 0.0


LOSSES = {
    "mse": Loss(mse, r.mse_gradient, r.mse_product),
    "mae": Loss(mae, r.mae_gradient, r.mae_product),
    "huber": Loss(huber, r.huber_gradient, r.huber_product),
    "log-cosh": Loss(log_cosh, r.log_cosh_gradient, r.log_cosh_product),
    "binary-cross-entropy": Loss(binary_cross_entropy, c.binary_cross_entropy_gradient, c.binary_cross_entropy_product),
    "cross-entropy": Loss(cross_entropy, c.cross_entropy_gradient, c.cross_entropy_product),
    "focal": Loss(focal, c.focal_gradient, c.focal_product),
    "hinge": Loss(hinge, c.hinge_gradient, c.hinge_product),
    "kullback-leibler": Loss(kullback_leibler, c.kullback_leibler_gradient, c.kullback_leibler_product),
    "dice": Loss(dice, c.dice_gradient, c.dice_product),
    "cosine-similarity": Loss(cosine_similarity, e.cosine_similarity_gradient, e.cosine_similarity_product),
    "contrastive": Loss(contrastive, e.contrastive_gradient, e.contrastive_product),
    "triplet": Loss(triplet, e.triplet_gradient, e.triplet_product),
    "center": Loss(center, e.center_gradient, e.center_product),
}
