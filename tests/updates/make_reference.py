"""Writes reference.json: where PyTorch and Optax are after 1000 steps. `python tests/updates/make_reference.py`

Needs torch (recorded: 2.13.0, CPU), optax (0.2.8) and jax (0.10.2, float64). Each row of REFERENCES says which
optimizer of which library, and what it is here. Optax's rprop is left out: it applies each step one step later.
"""

import json
import pathlib
import sys

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from problem import diagonal, gradient, start, trajectory  # noqa: E402

# (rule and its options here, library, its optimizer, its options)
REFERENCES = [
    ("sgd", {"lr": 0.05}, "torch", "SGD", {"lr": 0.05}),
    ("sgd", {"lr": 0.05, "weight_decay": 0.01}, "torch", "SGD", {"lr": 0.05, "weight_decay": 0.01}),
    ("momentum", {"lr": 0.05}, "torch", "SGD", {"lr": 0.05, "momentum": 0.9}),
    (
        "momentum",
        {"lr": 0.05, "momentum": 0.8, "dampening": 0.3},
        "torch",
        "SGD",
        {"lr": 0.05, "momentum": 0.8, "dampening": 0.3},
    ),
    ("nesterov", {"lr": 0.05}, "torch", "SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True}),
    ("nesterov", {"lr": 0.05}, "optax", "sgd", {"learning_rate": 0.05, "momentum": 0.9, "nesterov": True}),
    ("adagrad", {}, "torch", "Adagrad", {}),
    ("adagrad", {"lr": 0.1, "lr_decay": 0.01}, "torch", "Adagrad", {"lr": 0.1, "lr_decay": 0.01}),
    (
        "adagrad",
        {"lr": 0.1, "accumulator": 0.1, "eps": 0.0, "eps_root": 1e-7},
        "optax",
        "adagrad",
        {"learning_rate": 0.1},
    ),
    ("adadelta", {}, "torch", "Adadelta", {}),
    ("adadelta", {}, "optax", "adadelta", {"learning_rate": 1.0}),
    ("rmsprop", {}, "torch", "RMSprop", {}),
    (
        "rmsprop",
        {"centered": True, "momentum": 0.5},
        "torch",
        "RMSprop",
        {"centered": True, "momentum": 0.5},
    ),
    ("rmsprop", {"rho": 0.9, "eps": 0.0, "eps_root": 1e-8}, "optax", "rmsprop", {"learning_rate": 0.01}),
    ("adam", {}, "torch", "Adam", {}),
    ("adam", {"weight_decay": 0.1}, "torch", "Adam", {"weight_decay": 0.1}),
    ("adam", {"lr": 0.01, "eps_root": 1e-4}, "optax", "adam", {"learning_rate": 0.01, "eps_root": 1e-4}),
    ("adamw", {"lr": 0.01}, "torch", "AdamW", {"lr": 0.01}),
    ("amsgrad", {"lr": 0.01}, "torch", "Adam", {"lr": 0.01, "amsgrad": True}),
    ("amsgrad", {"lr": 0.01, "corrected": True}, "optax", "amsgrad", {"learning_rate": 0.01}),
    ("nadam", {}, "torch", "NAdam", {}),
    ("nadam", {"lr": 0.01, "constant": True}, "optax", "nadam", {"learning_rate": 0.01}),
    ("adamax", {}, "torch", "Adamax", {}),
    ("adamax", {"lr": 0.01}, "optax", "adamax", {"learning_rate": 0.01}),
    ("radam", {"lr": 0.01}, "torch", "RAdam", {"lr": 0.01}),
    ("radam", {"lr": 0.01, "eps_hat": False}, "optax", "radam", {"learning_rate": 0.01}),
    ("adabelief", {"lr": 0.01}, "optax", "adabelief", {"learning_rate": 0.01}),
    ("yogi", {}, "optax", "yogi", {"learning_rate": 0.01}),
    ("lion", {"lr": 0.003}, "optax", "lion", {"learning_rate": 0.003}),
    ("irprop-", {"delta0": 0.01}, "torch", "Rprop", {"lr": 0.01}),
    (
        "sophia",
        {"lr": 0.01, "eps": 1e-8, "correct": True, "late": True},
        "optax",
        "sophia",
        {"learning_rate": 0.01},
    ),
]


def of_torch(name, options):
    import torch

    torch.set_default_dtype(torch.float64)
    x = torch.tensor(start(), requires_grad=True)
    optimizer = getattr(torch.optim, name)([x], **options)

    def step(_, k):
        x.grad = torch.tensor(gradient(x.detach().numpy(), k))
        optimizer.step()
        return x.detach().numpy().copy()

    return trajectory(step, start())


def of_optax(name, options):
    import jax
    import jax.numpy as jnp
    import optax

    jax.config.update("jax_enable_x64", True)
    if name == "sophia":
        given = lambda updates, state, params=None, **extra: (extra["diagonal"], state)  # noqa: E731
        estimate = optax.GradientTransformationExtraArgs(lambda params: (), given)
        optimizer = optax.contrib.sophia(hessian_diagonal_fn=estimate, **options)
    else:
        optimizer = getattr(optax, name)(**options)
    state = optimizer.init(jnp.asarray(start()))
    update = jax.jit(optimizer.update)

    def step(x, k):
        nonlocal state
        extra = {"diagonal": jnp.asarray(diagonal(k))} if name == "sophia" else {}
        change, state = update(jnp.asarray(gradient(x, k)), state, jnp.asarray(x), **extra)
        return np.asarray(x + change)

    return trajectory(step, start())


def main():
    """Run all rows."""
    rows = []
    for rule, options, library, name, theirs in REFERENCES:
        run = {"torch": of_torch, "optax": of_optax}[library]
        print(library, name, theirs, flush=True)
        of = f"{library} {name} {', '.join(f'{key}={value}' for key, value in theirs.items())}"
        rows.append({"rule": rule, "options": options, "of": of.strip(), "x": run(name, theirs).tolist()})
    text = ",\n".join(json.dumps(row) for row in rows)
    (HERE / "reference.json").write_text(f"[\n{text}\n]\n")


if __name__ == "__main__":
    main()
