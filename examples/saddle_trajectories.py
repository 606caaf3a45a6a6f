"""Ways around two saddles: where methods go from beside the horse saddle and the monkey saddle, and how soon.

Both functions get a rim, (x^2 + y^2)^2 / 4, so that there is something to end at. Starts lie next to the line along
which the gradient leads to the saddle. Prints a table; `python saddle_trajectories.py ways.png` also draws the
ways (needs matplotlib).
"""

import sys

import numpy as np

import secondorder as so


def horse(x):
    return x[0] ** 2 - x[1] ** 2 + 0.25 * (x[0] ** 2 + x[1] ** 2) ** 2


def monkey(x):
    return x[0] ** 3 - 3.0 * x[0] * x[1] ** 2 + 0.25 * (x[0] ** 2 + x[1] ** 2) ** 2


STARTS = {horse: [1.5, 1e-9], monkey: [1.5, 1e-9]}
FIXED = {"line_search": "fixed", "initial_step": "constant", "alpha": 0.05}

# name: what of minimize's arguments makes it; to add a method is to add a row
WAYS = {
    "gradient descent": {"method": "gradient-descent", "options": FIXED},
    "Adam": {"method": so.Adam(lr=0.05)},
    "perturbed": {"method": "perturbed-gd", "options": FIXED | {"every": 10, "small": 0.1}},
    "saddle-free Newton": {"method": "saddle-free-newton"},
}


def way(fun, method, options=None):
    """(the iterates (k, 2), the result) of a run."""
    points = [np.array(STARTS[fun])]
    result = so.minimize(fun, points[0], method=method, callback=points.append, options=options or {})
    return np.array(points), result


def iterations_near(points):
    """Iterates within 1/4 of the saddle."""
    return int(np.sum(np.linalg.norm(points, axis=1) < 0.25))


def draw(ways, path):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.6, 4.8), layout="constrained")
    side = np.linspace(-4.0, 4.0, 201)
    for axis, fun in zip(figure.subplots(1, 2), STARTS):
        axis.contour(side, side, fun(np.meshgrid(side, side)), levels=40, colors="0.8", linewidths=0.6)
        for name in WAYS:
            points, _ = ways[fun, name]
            axis.plot(*points.T, ".-", label=name, markersize=4, linewidth=1.0)
        axis.set(title=f"{fun.__name__} saddle, with a rim", xlabel="x", ylabel="y", aspect="equal")
    axis.legend()
    figure.savefig(path)


def main():
    ways = {(fun, name): way(fun, **given) for fun in STARTS for name, given in WAYS.items()}
    print(f"{'':8} {'':20} {'iterations':>10} {'near the saddle':>16} {'f':>9}   end")
    for (fun, name), (points, result) in ways.items():
        kind = so.classify(fun, result.x, gtol=result.criteria[0]["threshold"])
        print(
            f"{fun.__name__:8} {name:20} {result.nit:10} {iterations_near(points):16} {result.fun:9.3f}   "
            f"{kind}, {result.reason}"
        )
    if len(sys.argv) > 1:
        draw(ways, sys.argv[1])
        print(f"drawn in {sys.argv[1]}")


if __name__ == "__main__":
    main()
