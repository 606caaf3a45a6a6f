"""The stack that generated code remembers values on when their number isn't known before a loop."""

import numpy as np

from secondorder.jit import register_jitable


@register_jitable
def grow(stack, position):
    """A longer stack with the same entries, at least twice as long as before and than `position`."""
    longer = np.empty(2 * max(stack.shape[0], position), stack.dtype)
    for k in range(stack.shape[0]):
        longer[k] = stack[k]
    return longer
