"""Constants of kernels that have another value in float32: what rounding is, and where squares over- or underflow.

The text of a kernel has one constant. Compiled for float64 it is that float; `single` compiles the same text for
float32, where it is the constant's `.single`. All other constants are the same numbers in both.
"""


class TwoPrecisions(float):
    """A float of kernels in float64, with its counterpart in float32 kernels."""

    def __new__(cls, double, single):
        """double: the float; single: what stands for it in float32."""
        made = super().__new__(cls, double)
        made.single = single
        return made

    def __reduce__(self):
        return TwoPrecisions, (float(self), self.single)


def roundings(factor=1.0, power=1.0):
    """factor eps^power, eps = 2^-52 in float64 and 2^-23 in float32."""
    return TwoPrecisions(factor * 2.0 ** (-52.0 * power), factor * 2.0 ** (-23.0 * power))


EPS = roundings()
