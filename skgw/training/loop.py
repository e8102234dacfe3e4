"""Training loop of all estimators with networks."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from skgw.nn.global_generator import seeded_global
from skgw.solvers import full_precision
from skgw.training.checkpoint import Checkpoint
from skgw.training.objective import Objective, Phase
from skgw.training.optimizers import make_optimizer
from skgw.training.process_group import ProcessGroup, current_process_group
from skgw.training.state import DistributedState, History, TrainingState

N_WARMUP_ITER = 50  # iterations over which the learning rate rises linearly to its full value


@dataclass(frozen=True)
class TrainingOptions:
    """Settings of the training loop.

    Attributes
    ----------
    max_iter : int
        Number of iterations; each iteration runs the active phases in order.
    learning_rate : float
        Largest learning rate.
    schedule : {"cosine", "constant"}
        "cosine" raises the learning rate over 50 iterations and lowers it to zero along a cosine.
    optimizer : str or callable
        "adam", "adamw", "rmsprop", "sgd", or a callable that takes the parameters and ``lr`` and
        returns a torch optimiser of first order, whose step needs no closure.
    betas : (float, float) or None
        Decay rates of "adam" and "adamw"; None: (0.9, 0.99).
    clip_norm : float or None
        Largest norm of the gradient of a phase; a larger gradient is scaled down. None: no limit.
    report_every : int
        Number of iterations between two reports, validations and checkpoints.
    n_iter_no_change : int or None
        Number of consecutive validations without improvement by `tol` before training stops. None:
        training does not stop early.
    tol : float
        Smallest relative improvement of the validation loss that counts.
    """

    max_iter: int
    learning_rate: float = 2e-3
    schedule: str = "cosine"
    optimizer: str | Callable[..., torch.optim.Optimizer] = "adam"
    betas: tuple[float, float] | None = None
    clip_norm: float | None = 10.0
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
    report_resumed: Callable[[History], None] | None = None,
    progress: Callable[[int], None] | None = None,
) -> History:
    """Train `objective` in place.

    Parameters
    ----------
    objective : Objective
        Networks and losses; on the device of the training.
    options : TrainingOptions
    generator : torch.Generator
        CPU generator, the only source of randomness.
    report : callable, optional
        Called with the history after every `report_every` iterations; True stops the training.
    checkpoint : Checkpoint, optional
        File that the state is saved to at every report. If the file exists, training resumes from
        its state, and ends with the same weights as an uninterrupted training.
    report_resumed : callable, optional
        Called with the history if training resumes.
    progress : callable, optional
        Called with the number of iterations so far after every iteration.

    Returns
    -------
    History

    Notes
    -----
    In a group of several processes, each process draws its own batches and noise, and all processes
    step along the mean of their gradients. The weights are the same on all processes; so are the
    returned history, which is the history of the first process, and the final buffers. The first
    process calls `report` and `report_resumed`, and saves the states of all processes.

    Raises
    ------
    FloatingPointError
        If a loss or a weight is not finite.
    OSError
        If the checkpoint cannot be written.
    TypeError, ValueError
        If the optimiser is not a torch optimiser, or needs a closure.

    Warns
    -----
    CheckpointWarning
        If the checkpoint cannot be used; training begins anew.
    """
    processes = current_process_group()
    processes.sync_parameters(objective)
    processes.seed_by_rank(generator)
    phases = objective.phases()
    optimizers = [_optimizer(phase, options) for phase in phases]
    state = TrainingState(objective, optimizers, generator, History())
    states = DistributedState(state, processes)
    history = state.history
    if checkpoint is not None:
        resumed = states.restore(checkpoint)
        if resumed and processes.is_first and report_resumed is not None:
            report_resumed(history)
    stopped = _has_stalled(history, options)
    while history.n_iter < options.max_iter and not stopped:
        end = min(history.n_iter + options.report_every, options.max_iter)
        steps = range(history.n_iter, end)
        losses = _run(objective, phases, optimizers, options, steps, generator, progress)
        _record(history, losses, end)
        _check_weights(objective, end)
        _validate(state, processes)
        if checkpoint is not None:
            states.save(checkpoint)
        stopped = _has_stalled(history, options)
        if report is not None:
            stopped = processes.broadcast(processes.is_first and report(history)) or stopped
    state.restore_best()
    processes.sync_parameters(objective)
    objective.eval()  # a resumed training may have no iterations left
    return processes.broadcast(history)


def _optimizer(phase: Phase, options: TrainingOptions) -> torch.optim.Optimizer:
    """The optimiser of a phase: its own, or that of the options."""
    kind, betas = options.optimizer, options.betas
    if phase.optimizer is not None:
        kind, betas = phase.optimizer, phase.betas
    return make_optimizer(kind, phase.parameters, options.learning_rate, betas=betas)


def _run(
    objective: Objective,
    phases: Sequence[Phase],
    optimizers: Sequence[torch.optim.Optimizer],
    options: TrainingOptions,
    steps: range,
    generator: torch.Generator,
    progress: Callable[[int], None] | None,
) -> dict[str, list[Tensor]]:
    """Run the active phases of each step and return their losses, which stay on the device."""
    losses: dict[str, list[Tensor]] = {}
    processes = current_process_group()
    objective.train()
    with _global_noise(objective, optimizers, generator):
        for step in steps:
            for phase, optimizer in zip(phases, optimizers, strict=True):
                if not phase.is_active(step):
                    continue
                _set_learning_rate(optimizer, phase, options, step)
                with _divergence_named(objective, step):
                    updates = [
                        _update(objective, phase, optimizer, options, generator, processes)
                        for _ in range(phase.n_steps)
                    ]
                prefix = "" if phase is phases[0] else f"{phase.name}."
                for name in updates[0]:
                    mean = torch.stack([update[name] for update in updates]).mean()
                    losses.setdefault(prefix + name, []).append(mean)
            if progress is not None and processes.is_first:
                progress(step + 1)
        objective.eval()
    return losses


def _global_noise(
    objective: Objective,
    optimizers: Sequence[torch.optim.Optimizer],
    generator: torch.Generator,
) -> contextlib.AbstractContextManager[None]:
    """Seed the global generator by `generator`, if layers such as dropout may draw from it."""
    seed = int(torch.randint(2**62, (), generator=generator))
    return seeded_global(seed, objective, *optimizers)


def _set_learning_rate(
    optimizer: torch.optim.Optimizer, phase: Phase, options: TrainingOptions, step: int
) -> None:
    """Set the learning rate of a phase at an iteration."""
    rate = options.learning_rate * phase.learning_rate_factor
    if options.schedule == "cosine":
        warmup = min(1.0, (step - phase.start + 1) / N_WARMUP_ITER)
        rate = rate * warmup * (0.5 * (1 + math.cos(math.pi * step / options.max_iter)))
    for group in optimizer.param_groups:
        group["lr"] = rate


def _update(
    objective: Objective,
    phase: Phase,
    optimizer: torch.optim.Optimizer,
    options: TrainingOptions,
    generator: torch.Generator,
    processes: ProcessGroup,
) -> dict[str, Tensor]:
    """Make one update of a phase and return its losses."""
    losses = objective.losses(phase.name, generator)
    optimizer.zero_grad()
    losses["loss"].backward()
    processes.average_gradients(phase.parameters)
    if options.clip_norm is not None:
        torch.nn.utils.clip_grad_norm_(phase.parameters, options.clip_norm)
    optimizer.step()
    objective.after_update(phase.name)
    return {name: loss.detach() for name, loss in losses.items()}


def _record(history: History, pending: dict[str, list[Tensor]], n_iter: int) -> None:
    """Move the losses of a report interval to the host and append them to the history."""
    for name, values in pending.items():
        values_cpu = torch.stack(values).tolist()
        _check_finite(name, values_cpu, n_iter)
        history.losses.setdefault(name, []).extend(values_cpu)
    history.n_iter = n_iter


@contextlib.contextmanager
def _divergence_named(objective: Objective, n_iter: int) -> Iterator[None]:
    """Turn an error of the block into a FloatingPointError, if diverging training is its cause."""
    try:
        yield
    except (RuntimeError, ValueError) as error:  # those of linear algebra are of either kind
        try:
            _check_weights(objective, n_iter)
        except FloatingPointError as cause:
            raise cause from error
        overflow = "overflow" in str(error)  # a learning rate beyond the dtype of the weights
        if overflow or isinstance(error, (torch.linalg.LinAlgError, np.linalg.LinAlgError)):
            raise _divergence(f"a computation failed ({error})", n_iter) from error
        raise


def _check_weights(objective: Objective, n_iter: int) -> None:
    """Raise an error for weights that are not finite, before a loss depends on them."""
    for name, weights in objective.named_parameters():
        _check_finite(name, [float(weights.detach().norm())], n_iter)


def _check_finite(name: str, losses: Sequence[float], n_iter: int) -> None:
    """Raise an error for values that are not finite."""
    if not all(map(math.isfinite, losses)):
        raise _divergence(f"{name!r} is not finite", n_iter)


def _divergence(reason: str, n_iter: int) -> FloatingPointError:
    return FloatingPointError(
        f"Training diverged: {reason} after {n_iter} iterations. "
        "Lower the learning rate or raise epsilon."
    )


def _validate(state: TrainingState, processes: ProcessGroup) -> None:
    """Append the validation loss to the history, and keep the weights if the loss is the best."""
    history = state.history
    seeded = seeded_global(history.n_iter, state.objective)
    with seeded, _divergence_named(state.objective, history.n_iter):
        loss = processes.broadcast(state.objective.validation_loss())
    if loss is None:
        history.best_iter = history.n_iter
        return
    _check_finite("validation", [loss], history.n_iter)
    if loss < min(history.validation, default=math.inf):
        state.keep_best()
        history.best_iter = history.n_iter
    history.validation.append(loss)


def _has_stalled(history: History, options: TrainingOptions) -> bool:
    """Whether the last `n_iter_no_change` validations improved the loss by less than `tol`."""
    n = options.n_iter_no_change
    if n is None or len(history.validation) <= n:
        return False
    before, since = min(history.validation[:-n]), min(history.validation[-n:])
    return since >= before - options.tol * abs(before)
