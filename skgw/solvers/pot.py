"""Arguments of POT, whose new names are in the error where they are given."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

NAMES = {
    "C1": "use Ca=, the first argument",
    "C2": "use Cb=, the second argument",
    "p": "use a=",
    "q": "use b=",
    "epsilon": "use reg=, with reg_scale=None for an absolute value as in POT",
    "loss_fun": "use loss='L2' for 'square_loss' and loss='KL' for 'kl_loss'",
    "G0": "use init=",
    "plan_init": "use init=",
    "potentials_init": "use init=, with the state of an earlier result",
    "tol_rel": "use tol=",
    "tol_abs": "use tol=",
    "stopThr": "use tol=",
    "numItermax": "use max_iter=",
    "m": "use mass=",
    "reg_marginals": "use unbalanced=",
    "log": "leave it out: the result holds the plan, result.plan, and what a log holds",
    "verbose": "leave it out: the result has a status and n_iter",
    "symmetric": "leave it out: the solver sees whether the matrices are symmetric",
    "armijo": "leave it out: the solver needs no line search",
    "method": "leave it out: lower bounds are starts, init='flb' and init='tlb'",
    "reg_type": "leave it out: the regularisation is the entropy",
    "unbalanced_type": "leave it out: unbalanced= penalises the KL divergence",
    "n_threads": "leave it out: see torch.set_num_threads and numba.set_num_threads",
}

LOSSES = {"square_loss": "L2", "kl_loss": "KL"}


def names_from_pot(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate a function: a TypeError for a name of POT says what it is called here."""

    @functools.wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        for name in NAMES.keys() & kwargs.keys():
            raise TypeError(
                f"{function.__name__}() has no argument {name!r}, a name of POT: {NAMES[name]}."
            )
        return function(*args, **kwargs)

    return checked
