"""Krylov methods on Hessian products: Lanczos, conjugate gradients, MINRES."""
