"""Update rules as their papers and libraries write them: slow, on NumPy arrays, one closure each.

NAIVE[name](n, **options) returns step(x, g, f, d) -> new x. k counts from 1. Options have our names and no defaults:
tests give all of them.
"""

import math

import numpy as np


def sgd(n, lr):
    return lambda x, g, f, d: x - lr * g


def momentum(n, lr, momentum, dampening, polyak):
    state = {"k": 0, "v": np.zeros(n)}

    def step(x, g, f, d):
        state["k"] += 1
        part = g if state["k"] == 1 else (1 - dampening) * g
        state["v"] = momentum * state["v"] + (lr * part if polyak else part)
        return x - state["v"] if polyak else x - lr * state["v"]

    return step


def nesterov(n, lr, momentum, dampening, polyak):
    state = {"k": 0, "v": np.zeros(n)}

    def step(x, g, f, d):
        state["k"] += 1
        part = g if state["k"] == 1 else (1 - dampening) * g
        state["v"] = momentum * state["v"] + (lr * part if polyak else part)
        return x - (lr * g + momentum * state["v"] if polyak else lr * (g + momentum * state["v"]))

    return step


def fista(n, lr, adaptive):
    state = {"t": 1.0, "z": None, "f": math.inf}

    def step(x, g, f, d):
        new = x - lr * g
        if state["z"] is not None:
            uphill = {"none": False, "function": f > state["f"], "gradient": g @ (new - state["z"]) > 0}
            if uphill[adaptive]:
                state["t"] = 1.0
        t = (1 + math.sqrt(1 + 4 * state["t"] ** 2)) / 2
        old = new if state["z"] is None else state["z"]
        x = new + (state["t"] - 1) / t * (new - old)
        state.update(t=t, z=new, f=f)
        return x

    return step


def adagrad(n, lr, lr_decay, accumulator, eps, eps_root):
    state = {"k": 0, "a": np.full(n, accumulator)}

    def step(x, g, f, d):
        state["k"] += 1
        state["a"] = state["a"] + g**2
        return x - lr / (1 + (state["k"] - 1) * lr_decay) * g / (np.sqrt(state["a"] + eps_root) + eps)

    return step


def adadelta(n, lr, rho, eps):
    state = {"a": np.zeros(n), "b": np.zeros(n)}

    def step(x, g, f, d):
        state["a"] = rho * state["a"] + (1 - rho) * g**2
        s = np.sqrt(state["b"] + eps) / np.sqrt(state["a"] + eps) * g
        state["b"] = rho * state["b"] + (1 - rho) * s**2
        return x - lr * s

    return step


def rmsprop(n, lr, rho, momentum, centered, eps, eps_root):
    state = {"v": np.zeros(n), "a": np.zeros(n), "b": np.zeros(n)}

    def step(x, g, f, d):
        state["v"] = rho * state["v"] + (1 - rho) * g**2
        state["a"] = rho * state["a"] + (1 - rho) * g
        v = state["v"] - state["a"] ** 2 if centered else state["v"]
        state["b"] = momentum * state["b"] + g / (np.sqrt(v + eps_root) + eps)
        return x - lr * state["b"]

    return step


def moments(n, beta1, beta2, first=0.0):
    """(m, v, k) after each gradient."""
    state = {"m": np.full(n, first), "v": np.full(n, first), "k": 0}

    def advance(g, square):
        state["k"] += 1
        state["m"] = beta1 * state["m"] + (1 - beta1) * g
        state["v"] = beta2 * state["v"] + (1 - beta2) * square(state["m"])
        return state["m"], state["v"], state["k"]

    return advance


def adam(n, lr, beta1, beta2, eps, eps_root, eps_hat):
    advance = moments(n, beta1, beta2)

    def step(x, g, f, d):
        m, v, k = advance(g, lambda m: g**2)
        if eps_hat:
            return x - lr * math.sqrt(1 - beta2**k) / (1 - beta1**k) * m / (np.sqrt(v + eps_root) + eps)
        return x - lr * (m / (1 - beta1**k)) / (np.sqrt(v / (1 - beta2**k) + eps_root) + eps)

    return step


def adamw(n, weight_decay, **options):
    inner = adam(n, **options)
    return lambda x, g, f, d: inner(x - options["lr"] * weight_decay * x, g, f, d)


def amsgrad(n, lr, beta1, beta2, eps, eps_root, corrected):
    advance, state = moments(n, beta1, beta2), {"u": np.zeros(n)}

    def step(x, g, f, d):
        m, v, k = advance(g, lambda m: g**2)
        state["u"] = np.maximum(state["u"], v / (1 - beta2**k) if corrected else v)
        u = state["u"] if corrected else state["u"] / (1 - beta2**k)
        return x - lr * m / (1 - beta1**k) / (np.sqrt(u + eps_root) + eps)

    return step


def nadam(n, lr, beta1, beta2, eps, eps_root, momentum_decay, constant):
    advance, state = moments(n, beta1, beta2), {"p": 1.0}

    def mu(k):
        return beta1 if constant else beta1 * (1 - 0.5 * 0.96 ** (k * momentum_decay))

    def step(x, g, f, d):
        m, v, k = advance(g, lambda m: g**2)
        state["p"] *= mu(k)
        ahead = mu(k + 1) * m / (1 - state["p"] * mu(k + 1)) + (1 - mu(k)) * g / (1 - state["p"])
        return x - lr * ahead / (np.sqrt(v / (1 - beta2**k) + eps_root) + eps)

    return step


def adamax(n, lr, beta1, beta2, eps, outside):
    state = {"m": np.zeros(n), "u": np.zeros(n), "k": 0}

    def step(x, g, f, d):
        state["k"] += 1
        state["m"] = beta1 * state["m"] + (1 - beta1) * g
        state["u"] = np.maximum(beta2 * state["u"], np.abs(g) + (0 if outside else eps))
        return x - lr / (1 - beta1 ** state["k"]) * state["m"] / (state["u"] + (eps if outside else 0))

    return step


def radam(n, lr, beta1, beta2, eps, eps_hat, threshold):
    advance, limit = moments(n, beta1, beta2), 2 / (1 - beta2) - 1

    def step(x, g, f, d):
        m, v, k = advance(g, lambda m: g**2)
        m, r = m / (1 - beta1**k), limit - 2 * k * beta2**k / (1 - beta2**k)
        if r <= threshold:
            return x - lr * m
        q = math.sqrt((r - 4) * (r - 2) * limit / ((limit - 4) * (limit - 2) * r))
        if eps_hat:
            return x - lr * q * m * math.sqrt(1 - beta2**k) / (np.sqrt(v) + eps)
        return x - lr * q * m / (np.sqrt(v / (1 - beta2**k)) + eps)

    return step


def adabelief(n, lr, beta1, beta2, eps, eps_root):
    state = {"m": np.zeros(n), "v": np.zeros(n), "k": 0}

    def step(x, g, f, d):
        state["k"] += 1
        state["m"] = beta1 * state["m"] + (1 - beta1) * g
        state["v"] = beta2 * state["v"] + (1 - beta2) * (g - state["m"]) ** 2 + eps_root
        m, v = state["m"] / (1 - beta1 ** state["k"]), state["v"] / (1 - beta2 ** state["k"])
        return x - lr * m / (np.sqrt(v) + eps)

    return step


def yogi(n, lr, beta1, beta2, eps, eps_root, accumulator):
    state = {"m": np.full(n, accumulator), "v": np.full(n, accumulator), "k": 0}

    def step(x, g, f, d):
        state["k"] += 1
        state["m"] = beta1 * state["m"] + (1 - beta1) * g
        state["v"] = state["v"] - (1 - beta2) * np.sign(state["v"] - g**2) * g**2
        m, v = state["m"] / (1 - beta1 ** state["k"]), state["v"] / (1 - beta2 ** state["k"])
        return x - lr * m / (np.sqrt(v + eps_root) + eps)

    return step


def lion(n, lr, beta1, beta2, weight_decay):
    state = {"m": np.zeros(n)}

    def step(x, g, f, d):
        x = x - lr * weight_decay * x - lr * np.sign(beta1 * state["m"] + (1 - beta1) * g)
        state["m"] = beta2 * state["m"] + (1 - beta2) * g
        return x

    return step


def rprop(kind):
    def make(n, lr, delta0, eta_minus, eta_plus, delta_min, delta_max):
        state = {"p": np.zeros(n), "d": np.full(n, delta0), "s": np.zeros(n), "f": math.inf}

        def one(i, x, g, risen):
            p, d, s = state["p"][i], state["d"][i], state["s"][i]
            if g * p > 0:
                d = min(eta_plus * d, delta_max)
            elif g * p < 0:
                d = max(eta_minus * d, delta_min)
            state["d"][i] = d
            if g * p < 0 and kind != "rprop-":
                state["p"][i] = 0.0
                back = {"rprop+": True, "irprop+": risen, "irprop-": False}[kind]
                return x - s if back else x
            state["p"][i], state["s"][i] = g, -lr * d * np.sign(g)
            return x + state["s"][i]

        def step(x, g, f, d):
            risen, state["f"] = f > state["f"], f
            return np.array([one(i, x[i], g[i], risen) for i in range(n)])

        return step

    return make


def quickprop(n, lr, growth):
    """The loop of Fahlman's quickprop1.c, with its names."""
    previous, delta = np.zeros(n), np.zeros(n)
    shrink = growth / (1.0 + growth)

    def next_step(s, p, d):
        step = 0.0
        if d < 0.0:
            if s > 0.0:
                step -= lr * s
            step += growth * d if s >= shrink * p else d * s / (p - s)
        elif d > 0.0:
            if s < 0.0:
                step -= lr * s
            step += growth * d if s <= shrink * p else d * s / (p - s)
        else:
            step -= lr * s
        return step

    def step(x, g, f, d):
        delta[:] = [next_step(*numbers) for numbers in zip(g, previous, delta)]
        previous[:] = g
        return x + delta

    return step


def delta_bar_delta(n, lr, kappa, phi, smoothing, least):
    bar, rate = np.zeros(n), np.ones(n)

    def step(x, g, f, d):
        same, other = bar * g > 0, bar * g < 0
        rate[same] += kappa
        rate[other] = np.maximum((1 - phi) * rate[other], least)
        bar[:] = smoothing * bar + (1 - smoothing) * g
        return x - lr * rate * g

    return step


def adahessian(n, lr, beta1, beta2, eps, power, interval):
    state = {"m": np.zeros(n), "v": np.zeros(n), "k": 0}

    def step(x, g, f, d):
        state["k"] += 1
        if (state["k"] - 1) % interval == 0:
            state["d"] = d
        state["m"] = beta1 * state["m"] + (1 - beta1) * g
        state["v"] = beta2 * state["v"] + (1 - beta2) * state["d"] ** 2
        m, v = state["m"] / (1 - beta1 ** state["k"]), state["v"] / (1 - beta2 ** state["k"])
        return x - lr * m / (np.sqrt(v) ** power + eps)

    return step


def sophia(n, lr, beta1, beta2, gamma, eps, clip, correct, late, interval, weight_decay):
    state = {"m": np.zeros(n), "h": np.zeros(n), "k": 0}

    def step(x, g, f, d):
        state["k"] += 1
        x = x - lr * weight_decay * x
        state["m"] = beta1 * state["m"] + (1 - beta1) * g
        before = state["h"]
        if (state["k"] - 1) % interval == 0:
            state["h"] = beta2 * state["h"] + (1 - beta2) * d
        m = state["m"] / (1 - beta1 ** state["k"]) if correct else state["m"]
        h = before if late else state["h"]
        return x - lr * np.clip(m / np.maximum(gamma * h, eps), -clip, clip)

    return step


NAIVE = {
    "sgd": sgd,
    "momentum": momentum,
    "nesterov": nesterov,
    "fista": fista,
    "adagrad": adagrad,
    "adadelta": adadelta,
    "rmsprop": rmsprop,
    "adam": adam,
    "adamw": adamw,
    "amsgrad": amsgrad,
    "nadam": nadam,
    "adamax": adamax,
    "radam": radam,
    "adabelief": adabelief,
    "yogi": yogi,
    "lion": lion,
    "rprop+": rprop("rprop+"),
    "rprop-": rprop("rprop-"),
    "irprop+": rprop("irprop+"),
    "irprop-": rprop("irprop-"),
    "quickprop": quickprop,
    "delta-bar-delta": delta_bar_delta,
    "adahessian": adahessian,
    "sophia": sophia,
}
