"""Exact derivatives of ordinary Python functions, by source transformation.

source       a function's text, the values that its names stand for
structure    break, continue and early return -> flags
lower        Python and NumPy -> the intermediate representation (ir), by abstract interpretation
memory       which loads must be remembered because their array is overwritten
reverse      gradient and vector-Jacobian product
forward      Jacobian-vector product; of a gradient: the Hessian-vector product
opaque       functions that are called as they are, with derivatives of the user's
simplify     dead code, constants
storage      arrays in a caller's workspace, and its size
in_kernels   what generated code calls there
emit         ir -> readable Python
module       Python text -> compiled functions, cached on disk
"""
