"""Fit a decay curve by least squares: plain Python, data through args, exact derivatives generated.

y(t) = a exp(-b t) + c with noise. The second fit has new data of the same types and compiles nothing.
"""

import numpy as np

import secondorder as so


def misfit(p, t, y):
    return np.sum((p[0] * np.exp(-p[1] * t) + p[2] - y) ** 2)


hessian = so.hessian(misfit)


def main():
    t = np.linspace(0.0, 4.0, 50)
    rng = np.random.default_rng(7)
    for a, b, c in ((2.5, 1.3, 0.5), (1.0, 0.4, -0.2)):
        y = a * np.exp(-b * t) + c + 0.05 * rng.standard_normal(t.size)
        result = so.minimize(misfit, [1.0, 1.0, 0.0], args=(t, y), method="bfgs")
        print(f"true   {a:8.4f} {b:8.4f} {c:8.4f}")
        print(f"fitted {result.x[0]:8.4f} {result.x[1]:8.4f} {result.x[2]:8.4f}")

        # twice the inverse Hessian of the misfit, times the variance of the noise, is the parameters' covariance
        variance = result.fun / (t.size - result.x.size)
        errors = np.sqrt(2.0 * variance * np.diag(np.linalg.inv(hessian(result.x, t, y))))
        print(f"  +-   {errors[0]:8.4f} {errors[1]:8.4f} {errors[2]:8.4f}")
        print(f"{result.nit} iterations, {result.nfev} evaluations, gradient: {result.derivatives}")
        print(f"{result.message}\n")


if __name__ == "__main__":
    main()
