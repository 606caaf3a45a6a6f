"""Writes schedules.json: rates of PyTorch's schedulers (2.13.0). `python tests/updates/make_schedules.py`"""

import json
import pathlib

HERE = pathlib.Path(__file__).resolve().parent
STEPS = 40
F = [5.0, 4.0, 3.0] + [3.0] * 5 + [2.99999] * 7 + [1.0] + [1.5] * 24


def rates(make, f=None):
    """The rate before each step."""
    import torch

    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.3)
    found, scheduler = [], make(optimizer)
    for k in range(STEPS):
        if f is not None:
            scheduler.step(f[k])
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if f is None:
            scheduler.step()
    return found


def main():
    """Run all rows."""
    import torch

    s = torch.optim.lr_scheduler
    cycle = {"max_lr": 0.3, "total_steps": STEPS, "cycle_momentum": False}
    plateau = {"factor": 0.5, "patience": 3, "cooldown": 2}

    def warmed(optimizer):
        first = s.LinearLR(optimizer, start_factor=0.25, total_iters=8)
        return s.SequentialLR(optimizer, [first, s.StepLR(optimizer, 7, 0.5)], [8])

    rows = [
        ("step_decay", {"factor": 0.5, "every": 7}, "StepLR", lambda o: s.StepLR(o, 7, 0.5)),
        ("exponential", {"factor": 0.9}, "ExponentialLR", lambda o: s.ExponentialLR(o, 0.9)),
        ("polynomial", {"steps": 30, "power": 2.0}, "PolynomialLR", lambda o: s.PolynomialLR(o, 30, 2.0)),
        (
            "warm_restarts",
            {"steps": 4, "end": 0.1, "growth": 2},
            "CosineAnnealingWarmRestarts",
            lambda o: s.CosineAnnealingWarmRestarts(o, 4, 2, 0.1),
        ),
        ("one_cycle", {"steps": STEPS}, "OneCycleLR", lambda o: s.OneCycleLR(o, **cycle)),
        ("reduce_on_plateau", plateau, "ReduceLROnPlateau", lambda o: s.ReduceLROnPlateau(o, **plateau)),
        ("step_decay", {"factor": 0.5, "every": 7}, "LinearLR and StepLR", warmed),
    ]
    found = []
    for name, options, of, make in rows:
        f = F if name == "reduce_on_plateau" else None
        row = {"schedule": name, "options": {"lr": 0.3, **options}, "of": of, "lr": rates(make, f)}
        row |= {"f": f} if f else {}
        row |= {"warm_up": [8, 0.25]} if make is warmed else {}
        found.append(json.dumps(row))
    (HERE / "schedules.json").write_text("[\n" + ",\n".join(found) + "\n]\n")


if __name__ == "__main__":
    main()
