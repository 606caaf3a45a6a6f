"""The same function, start and method with every line search: what each costs, and how f falls.

Every run records its history. The fixed step is 2^-10; four times as long, it diverges here.
"""

import numpy as np

import secondorder as so


def rosenbrock(x):
    f = 0.0
    for i in range(x.size - 1):
        f += 100.0 * (x[i + 1] - x[i] ** 2) ** 2 + (1.0 - x[i]) ** 2
    return f


def main():
    x0 = np.array([-1.2, 1.0, -1.2, 1.0])
    print(f"{'':20} {'iterations':>10} {'f':>6} {'gradients':>10}   f at iteration 0, 5, 10, 20, 40; why it stopped")
    for name in so.LINE_SEARCHES:
        options = {"line_search": name, "history": True}
        method = "l-bfgs"
        if name == "fixed":  # a plain gradient method: quasi-Newton steps need a search
            method, options = "gradient-descent", options | {"initial_step": "constant", "alpha": 2.0**-10}
        result = so.minimize(rosenbrock, x0, method=method, options=options)
        fall = " ".join(f"{f:8.1e}" for f in result.history["fun"][[k for k in (0, 5, 10, 20, 40) if k <= result.nit]])
        print(f"{name:20} {result.nit:10} {result.nfev:6} {result.njev:10}   {fall}  {result.reason}")


if __name__ == "__main__":
    main()
