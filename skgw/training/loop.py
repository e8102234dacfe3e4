"""The one training loop."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from skgw.solvers import full_precision
from skgw.training.checkpoint import Checkpoint
from skgw.training.objective import Objective, Phase
from skgw.training.optimizers import make_optimizer
from skgw.training.process_group import World, current_world
from skgw.training.state import History, Ranks, TrainingState

WARMUP = 50  # iterations over which the learning rate rises to its full value


@dataclass(frozen=True)
class TrainingOptions:
    """How to train.

    Attributes
    ----------
    max_iter : int
        Iterations; in one, the phases take their turns.
    learning_rate : float
        Its largest value.
    schedule : {"cosine", "constant"}
        "cosine" lets the learning rate rise over 50 iterations and fall to zero along a cosine.
    optimizer : str or callable
        "adam", "adamw", "rmsprop", "sgd", or a callable from parameters and ``lr`` to a torch
        optimiser of first order: one whose step needs no closure.
    clip_norm : float
        Largest norm of the gradient of a phase.
    report_every : int
        Iterations between reports, validations and checkpoints.
    n_iter_no_change : int or None
        Stop after so many validations without an improvement by `tol`; None never stops.
    tol : float
        Relative improvement of the validation loss that counts.
    """

    max_iter: int
    learning_rate: float = 2e-3
    schedule: str = "cosine"
    optimizer: str | Callable[..., torch.optim.Optimizer] = "adam"
    clip_norm: float = 10.0
    report_every: int = 50
    n_iter_no_change: int | None = None
    tol: float = 1e-4


@full_precision()
def train(
    objective: Objective,
    options: TrainingOptions,
    generator: torch.Generator,
    *,
    report: Callable[[History], bool] | None = None,
    checkpoint: Checkpoint | None = None,
) -> History:
    """Train `objective` in place.

    Parameters
    ----------
    objective : Objective
    options : TrainingOptions
    generator : torch.Generator
        The only source of randomness, on the CPU.
    report : callable, optional
        Called after every `report_every` iterations; returning True stops the training.
    checkpoint : Checkpoint, optional
        Where to save the state at every report, and to resume from if there is one. An interrupted
        and resumed training ends with the same weights as an uninterrupted one.

    Returns
    -------
    History

    Notes
    -----
    In a world of several processes, each draws batches of its own from noise of its own, and all
    step along the mean of their gradients. Weights are the same on all of them; so are the history,
    which is the first one's, and buffers at the end. `report` is called by the first one, which
    also saves the state of all.

    Raises
    ------
    FloatingPointError
        If a loss is not finite, or a weight (after a gradient that was not).
    TypeError, ValueError
        If the optimiser is none, or needs a closure.
    """
    world = current_world()
    world.align(objective)
    world.own_noise(generator)
    phases = objective.phases()
    optimizers = [
        make_optimizer(options.optimizer, phase.parameters, options.learning_rate)
        for phase in phases
    ]
    state = TrainingState(objective, optimizers, generator, History())
    ranks = Ranks(state, world)
    if checkpoint is not None:
        ranks.restore(checkpoint)
    history = state.history
    stopped = _has_stalled(history, options)
    while history.n_iter < options.max_iter and not stopped:
        end = min(history.n_iter + options.report_every, options.max_iter)
        steps = range(history.n_iter, end)
        _record(history, _run(objective, phases, optimizers, options, steps, generator), end)
        _check_weights(objective, end)
        _validate(state, world)
        if checkpoint is not None:
            ranks.save(checkpoint)
        stopped = _has_stalled(history, options)
        if report is not None:
            stopped = world.agree(world.is_first and report(history)) or stopped
    state.restore_best()
    world.align(objective)
    objective.eval()  # also where a resumed training was complete
    return world.agree(history)


def _run(
    objective: Objective,
    phases: Sequence[Phase],
    optimizers: Sequence[torch.optim.Optimizer],
    options: TrainingOptions,
    steps: range,
    generator: torch.Generator,
) -> dict[str, list[Tensor]]:
    """Let the phases take turns, and return their losses, which stay on the device."""
    losses: dict[str, list[Tensor]] = {}
    world = current_world()
    with _own_global_noise(objective, generator):
        objective.train()
        for step in steps:
            for phase, optimizer in zip(phases, optimizers, strict=True):
                if not phase.has_turn(step):
                    continue
                _set_learning_rate(optimizer, phase, options, step)
                turn = [
                    _update(objective, phase, optimizer, options, generator, world)
                    for _ in range(phase.n_steps)
                ]
                prefix = "" if phase is phases[0] else f"{phase.name}."
                for name in turn[0]:
                    mean = torch.stack([update[name] for update in turn]).mean()
                    losses.setdefault(prefix + name, []).append(mean)
        objective.eval()
    return losses


@contextlib.contextmanager
def _own_global_noise(objective: Objective, generator: torch.Generator) -> Iterator[None]:
    """Let layers that use the global random state (dropout) use `generator` in effect."""
    devices = sorted({p.device.index or 0 for p in objective.parameters() if p.is_cuda})
    with torch.random.fork_rng(devices=devices):
        seed = int(torch.randint(2**62, (), generator=generator))
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would reach all devices
        for device in devices:
            torch.cuda.default_generators[device].manual_seed(seed)
        yield


def _set_learning_rate(
    optimizer: torch.optim.Optimizer, phase: Phase, options: TrainingOptions, step: int
) -> None:
    rate = options.learning_rate * phase.learning_rate_factor
    if options.schedule == "cosine":
        warmup = min(1.0, (step - phase.start + 1) / WARMUP)
        rate = rate * warmup * (0.5 * (1 + math.cos(math.pi * step / options.max_iter)))
    for group in optimizer.param_groups:
        group["lr"] = rate


def _update(
    objective: Objective,
    phase: Phase,
    optimizer: torch.optim.Optimizer,
    options: TrainingOptions,
    generator: torch.Generator,
    world: World,
) -> dict[str, Tensor]:
    losses = objective.losses(phase.name, generator)
    optimizer.zero_grad()
    losses["loss"].backward()
    world.average_gradients(phase.parameters)
    torch.nn.utils.clip_grad_norm_(phase.parameters, options.clip_norm)
    optimizer.step()
    return {name: loss.detach() for name, loss in losses.items()}


def _record(history: History, pending: dict[str, list[Tensor]], n_iter: int) -> None:
    """Move losses to the host, once per report."""
    for name, values in pending.items():
        values_cpu = torch.stack(values).tolist()
        _check_finite(name, values_cpu, n_iter)
        history.losses.setdefault(name, []).extend(values_cpu)
    history.n_iter = n_iter


def _check_weights(objective: Objective, n_iter: int) -> None:
    """A gradient that was not finite has left its trace here, even if no loss has seen it yet."""
    for name, weights in objective.named_parameters():
        _check_finite(name, [float(weights.detach().norm())], n_iter)


def _check_finite(name: str, losses: Sequence[float], n_iter: int) -> None:
    if not all(map(math.isfinite, losses)):
        raise FloatingPointError(
            f"Training diverged: {name!r} is not finite after {n_iter} iterations. "
            "Lower the learning rate or raise epsilon."
        )


def _validate(state: TrainingState, world: World) -> None:
    """Keep the best weights."""
    history = state.history
    loss = world.agree(state.objective.validation_loss())
    if loss is None:
        history.best_iter = history.n_iter
        return
    _check_finite("validation", [loss], history.n_iter)
    if loss < min(history.validation, default=math.inf):
        state.keep_best()
        history.best_iter = history.n_iter
    history.validation.append(loss)


def _has_stalled(history: History, options: TrainingOptions) -> bool:
    """Whether the last validations have brought no improvement that counts."""
    n = options.n_iter_no_change
    if n is None or len(history.validation) <= n:
        return False
    before, since = min(history.validation[:-n]), min(history.validation[-n:])
    return since >= before - options.tol * abs(before)
