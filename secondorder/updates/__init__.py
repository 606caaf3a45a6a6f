"""First-order update rules: one file each, each with one scalar rule per parameter. UPDATES is the one list of them.

A rule's module has

    NAME        of its public class
    NEEDS       ("grad",), or ("grad", "hvp"): a diagonal of the Hessian is estimated
    Options     a NamedTuple of its own options, `lr` first
    COMMON      what it sets otherwise than `CommonOptions` does
    STATE       names of its rows of state, one number a parameter
    start       (options) -> what each row starts from
    rule        (x, g, *state, *coefficients) -> (x, *state): the rule itself, for one parameter, of any float type
    advance     (k, lr, f, measured, options, memory, c): writes the coefficients of step k = 1, 2, ... into c

and, where it needs them, `variant` (options) -> (rule, STATE); `needs_f` (options): does a step need the value of f?;
`measure`, a scalar of each parameter whose sum over all of them `advance` gets, and `measures` (options): is it used?
`secondorder.updates.sweep` makes loops of rules. To add a rule: one file and one row here.
"""

from secondorder.updates import (
    adabelief,
    adadelta,
    adagrad,
    adahessian,
    adam,
    adamax,
    adamw,
    amsgrad,
    delta_bar_delta,
    fista,
    irprop_minus,
    irprop_plus,
    lion,
    momentum,
    nadam,
    nesterov,
    quickprop,
    radam,
    rmsprop,
    rprop_minus,
    rprop_plus,
    sgd,
    sophia,
    yogi,
)

UPDATES = {
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
    "rprop+": rprop_plus,
    "rprop-": rprop_minus,
    "irprop+": irprop_plus,
    "irprop-": irprop_minus,
    "quickprop": quickprop,
    "delta-bar-delta": delta_bar_delta,
    "adahessian": adahessian,
    "sophia": sophia,
}
