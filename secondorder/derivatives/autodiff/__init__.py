"""Exact derivatives of ordinary Python functions, by source transformation.

source       a function's text, the values that its names stand for
structure    break, continue and early return -> flags
lower        Python and NumPy -> the intermediate representation (ir), by abstract interpretation
names        what names stand for meanwhile: what a loop carries, which names share memory
memory       which loads must be remembered because their array is overwritten
reverse      gradient and vector-Jacobian product
forward      Jacobian-vector product; of a gradient: the Hessian-vector product
opaque       functions that are called as they are, with derivatives of the user's
simplify     dead code, constants
fusion       loops over one range become one
sums, views  what LLVM needs to vectorise: sums in any order, entries of slices as entries of arrays
storage      arrays in a caller's workspace, and its size
in_kernels   what generated code calls there
emit         ir -> readable Python
module       Python text -> compiled functions, cached on disk
"""
