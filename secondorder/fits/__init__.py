"""Methods for sums of squares: one file each, all of one skeleton. FITS is the list that drives everything else.

A method's module has NEEDS (what it uses beside the residuals: "jacobian" or "products"), RUN (its defaults of
`RunOptions`), Options, n_work, n_fit, n_memory and solve. To add a method: one such file and one row here.
"""

from secondorder.fits import dogleg, gauss_newton_cg, hessian_free, levenberg_marquardt

FITS = {
    "levenberg-marquardt": levenberg_marquardt,
    "dogleg": dogleg,
    "gauss-newton-cg": gauss_newton_cg,
    "hessian-free": hessian_free,
}
