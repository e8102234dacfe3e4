import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.testing import assert_close

from skgw.training import Checkpoint, History, Objective, Phase, TrainingOptions, train
from skgw.training.loop import N_WARMUP_ITER
from skgw.training.optimizers import OPTIMIZERS


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


class Bowl(Objective):
    """x -> (x - 3)^2 with noise, and notes of what it is asked for."""

    def __init__(self, phases=(("bowl", 1),), noise=0.0, validation=None):
        super().__init__()
        self.x = nn.Parameter(torch.zeros(2))
        self.dropout = nn.Dropout(0.5)
        self.plan, self.noise, self.validation = phases, noise, validation
        self.asked, self.modes, self.draws = [], [], []

    def phases(self):
        return [Phase(name, [self.x], n_steps=n) for name, n in self.plan]

    def losses(self, phase, generator):
        self.asked.append(phase)
        self.modes.append(self.training)
        noise = self.noise * torch.randn(2, generator=generator)
        self.draws.append(self.dropout(torch.ones(8)).tolist())
        error = (self.x - 3 + noise).square().sum()
        return {"loss": error, "double": 2 * error}

    def validation_loss(self):
        self.modes.append(self.training)
        return None if self.validation is None else self.validation(self)


class Rates(torch.optim.SGD):
    """Notes its learning rates."""

    seen: list

    def step(self, closure=None):
        Rates.seen.append(self.param_groups[0]["lr"])
        return super().step(closure)


# -------------------------------------------------------------------------------------- phases


def test_it_descends():
    objective = Bowl()
    history = train(objective, TrainingOptions(max_iter=300, learning_rate=0.1), seeded())
    assert_close(objective.x.detach(), torch.full((2,), 3.0), atol=0.05, rtol=0)
    assert history.losses["loss"][0] == 18
    assert history.losses["loss"][-1] < 1e-2


def test_phases_make_their_updates_in_order():
    objective = Bowl(phases=[("critic", 3), ("generator", 1), ("encoder", 2)])
    train(objective, TrainingOptions(max_iter=2), seeded())
    assert objective.asked == 2 * (3 * ["critic"] + ["generator"] + 2 * ["encoder"])


def test_losses_are_kept_by_name_once_per_iteration():
    objective = Bowl(phases=[("critic", 3), ("generator", 1)])
    history = train(objective, TrainingOptions(max_iter=7, report_every=3), seeded())
    assert set(history.losses) == {"loss", "double", "generator.loss", "generator.double"}
    assert {len(values) for values in history.losses.values()} == {7}
    assert_close(history.losses["double"], [2 * x for x in history.losses["loss"]])
    assert history.n_iter == history.best_iter == 7
    assert history.validation == []


def test_each_phase_moves_its_own_parameters():
    class Two(Bowl):
        def __init__(self):
            super().__init__()
            self.y = nn.Parameter(torch.zeros(2))

        def phases(self):
            return [Phase("x", [self.x]), Phase("y", [self.y], learning_rate_factor=0.0)]

        def losses(self, phase, generator):
            return {"loss": (self.x - 1).square().sum() + (self.y - 1).square().sum()}

    objective = Two()
    train(objective, TrainingOptions(max_iter=5), seeded())
    assert (objective.x != 0).all()
    assert (objective.y == 0).all()  # its learning rate is zero, and x's optimiser left it alone


# -------------------------------------------------------------------------------- optimisation


def test_learning_rate_warms_up_and_falls_along_a_cosine():
    Rates.seen = []
    options = TrainingOptions(max_iter=200, learning_rate=0.01, optimizer=Rates)
    train(Bowl(), options, seeded())
    expected = [
        0.01 * min(1, (t + 1) / N_WARMUP_ITER) * (1 + math.cos(math.pi * t / 200)) / 2
        for t in range(200)
    ]
    assert_close(Rates.seen, expected)
    assert max(Rates.seen) < 0.01
    assert Rates.seen[-1] < 1e-6


def test_learning_rate_factor_of_a_phase():
    Rates.seen = []

    class Slower(Bowl):
        def phases(self):
            return [Phase("a", [self.x]), Phase("b", [self.x], learning_rate_factor=0.1)]

    train(Slower(), TrainingOptions(max_iter=3, optimizer=Rates), seeded())
    assert_close(Rates.seen[1::2], [0.1 * rate for rate in Rates.seen[::2]])


def test_gradients_are_clipped():
    """One step of plain descent is as long as the clipped gradient says."""
    objective = Bowl()  # the gradient at zero is (-6, -6)
    options = TrainingOptions(max_iter=1, learning_rate=1.0, optimizer=torch.optim.SGD, clip_norm=3)
    train(objective, options, seeded())
    assert objective.x.detach().norm() == pytest.approx(3 / N_WARMUP_ITER, rel=1e-4)
    unclipped = Bowl()
    options = TrainingOptions(max_iter=1, learning_rate=1.0, optimizer=torch.optim.SGD)
    train(unclipped, options, seeded())
    assert unclipped.x.detach().norm() == pytest.approx(math.hypot(6, 6) / N_WARMUP_ITER, rel=1e-4)


def test_gradients_are_not_clipped_without_a_limit():
    class Steep(Bowl):
        def losses(self, phase, generator):
            return {"loss": 1e4 * self.x.sum()}

    steps = {}
    for limit in (10.0, None):
        objective = Steep()
        options = TrainingOptions(
            max_iter=1, learning_rate=1.0, schedule="constant", optimizer=torch.optim.SGD,
            clip_norm=limit,
        )  # fmt: skip
        train(objective, options, seeded())
        steps[limit] = objective.x.detach().norm().item()
    assert steps[10.0] == pytest.approx(10.0, rel=1e-4)
    assert steps[None] == pytest.approx(math.sqrt(2) * 1e4)


def test_a_phase_may_have_its_own_optimiser():
    class Two(Bowl):
        def __init__(self):
            super().__init__()
            self.y, self.z = (nn.Parameter(torch.zeros(2)) for _ in range(2))

        def phases(self):
            return [
                Phase("x", [self.x]),
                Phase("y", [self.y], optimizer=torch.optim.SGD),
                Phase("z", [self.z], optimizer="adam", betas=(0.0, 0.0)),
            ]

        def losses(self, phase, generator):
            slope = torch.tensor([1.0, -2.0])
            return {"loss": slope @ {"x": self.x, "y": self.y, "z": self.z}[phase]}

    objective = Two()
    options = TrainingOptions(
        max_iter=1, learning_rate=0.1, schedule="constant", optimizer="adam", betas=(0.9, 0.99)
    )
    train(objective, options, seeded())
    assert_close(objective.x.detach(), torch.tensor([-0.1, 0.1]), atol=1e-5, rtol=0)
    assert_close(objective.y.detach(), torch.tensor([-0.1, 0.2]))
    assert_close(objective.z.detach(), torch.tensor([-0.1, 0.1]), atol=1e-5, rtol=0)


def test_weights_may_be_changed_after_an_update():
    class Clipped(Bowl):
        def after_update(self, phase):
            assert phase == "bowl"
            self.x.data.clamp_(max=0.5)

    objective = Clipped()
    train(objective, TrainingOptions(max_iter=100, learning_rate=0.1), seeded())
    assert_close(objective.x.detach(), torch.full((2,), 0.5))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimisers_by_name(name):
    objective = Bowl()
    options = TrainingOptions(max_iter=300, learning_rate=0.05, optimizer=name)
    history = train(objective, options, seeded())
    assert history.losses["loss"][-1] < 0.1 * history.losses["loss"][0]


@pytest.mark.parametrize(
    ("optimizer", "error", "message"),
    [
        (lambda parameters, lr: None, TypeError, "optimizer returned a NoneType, expected a torch"),
        (torch.optim.LBFGS, ValueError, "LBFGS needs a closure .* first-order optimizer"),
    ],
)
def test_optimisers_that_cannot_work_are_refused(optimizer, error, message):
    objective = Bowl()
    with pytest.raises(error, match=message):
        train(objective, TrainingOptions(max_iter=3, optimizer=optimizer), seeded())
    assert objective.asked == []


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_ends_the_training(bad):
    class Diverging(Bowl):
        def losses(self, phase, generator):
            factor = bad if len(self.asked) == 5 else 1.0
            return {name: factor * x for name, x in super().losses(phase, generator).items()}

    with pytest.raises(
        FloatingPointError, match=r"'loss' is not finite after 6 iterations\. Lower"
    ):
        train(Diverging(), TrainingOptions(max_iter=10, report_every=3), seeded())


@pytest.mark.parametrize("update", range(3))
def test_every_update_of_an_iteration_is_recorded(update):
    class Jumping(Bowl):
        def losses(self, phase, generator):
            jump = 6.0 if len(self.asked) == update else 0.0
            return {"loss": 0 * super().losses(phase, generator)["loss"] + jump}

    history = train(Jumping(phases=[("critic", 3)]), TrainingOptions(max_iter=2), seeded())
    assert history.losses["loss"] == [2.0, 0.0]


class Spike(torch.autograd.Function):
    """Zero, with a gradient that is not finite."""

    @staticmethod
    def forward(ctx, x, bad):
        ctx.bad = bad
        return 0 * x.sum()

    @staticmethod
    def backward(ctx, gradient):
        return torch.full((2,), ctx.bad), None


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("update", [0, 5])
def test_a_gradient_that_is_not_finite_ends_the_training(tmp_path, bad, update):
    """Also that of the last update before a report, and before its weights are kept."""

    class Diverging(Bowl):
        def losses(self, phase, generator):
            spike = Spike.apply(self.x, bad) if len(self.asked) == update else 0.0
            super().losses(phase, generator)
            return {"loss": (self.x - 3).nan_to_num().square().sum() + spike}

    objective = Diverging(phases=[("critic", 3)], validation=lambda objective: 0.0)
    checkpoint = Checkpoint(tmp_path / "run.safetensors")
    options = TrainingOptions(max_iter=4, report_every=2)
    with pytest.raises(FloatingPointError, match="'x' is not finite after 2 iterations"):
        train(objective, options, seeded(), checkpoint=checkpoint)
    assert False not in objective.modes  # it was not validated
    assert not checkpoint.path.exists()


class Failing(Bowl):
    """Linear algebra fails in the fifth update, with weights of this value."""

    def __init__(self, weights, error, where):
        def validation(objective):
            return 0.0 if where == "losses" else self.fail()

        super().__init__(validation=validation)
        self.weights, self.error, self.where = weights, error, where

    def losses(self, phase, generator):
        losses = super().losses(phase, generator)
        if self.where == "losses" and len(self.asked) == 5:
            self.fail()
        return losses

    def fail(self):
        with torch.no_grad():
            self.x.fill_(self.weights)
        raise self.error


@pytest.mark.parametrize("where", ["losses", "validation"])
@pytest.mark.parametrize(
    ("weights", "error", "message"),
    [
        (math.nan, torch.linalg.LinAlgError("svd failed"), "'x' is not finite after 4 iterations"),
        (math.inf, ValueError("NaN"), "'x' is not finite after 4 iterations"),
        (
            1e10,
            torch.linalg.LinAlgError("svd failed"),
            r"computation failed \(svd failed\) after 4",
        ),
        (1e10, np.linalg.LinAlgError("svd failed"), r"computation failed \(svd failed\) after 4"),
    ],
)
def test_an_error_of_diverged_weights_names_the_divergence(weights, error, message, where):
    options = TrainingOptions(max_iter=8, report_every=4)
    with pytest.raises(FloatingPointError, match=f"{message}.*Lower the learning rate") as caught:
        train(Failing(weights, error, where), options, seeded())
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("error", [ValueError("of another cause"), RuntimeError("of another")])
def test_other_errors_remain(error):
    with pytest.raises(type(error), match="of another"):
        train(Failing(1.0, error, "losses"), TrainingOptions(max_iter=8), seeded())


def test_a_learning_rate_beyond_the_dtype_is_a_divergence():
    options = TrainingOptions(max_iter=8, learning_rate=1e200)
    with pytest.raises(FloatingPointError, match="Lower the learning rate"):
        train(Bowl(), options, seeded())


def test_a_validation_that_is_not_finite_ends_the_training():
    objective = Bowl(validation=lambda objective: math.nan)
    with pytest.raises(FloatingPointError, match="'validation' is not finite after 3 iterations"):
        train(objective, TrainingOptions(max_iter=10, report_every=3), seeded())


# ------------------------------------------------------------------------------------ randomness


def test_layers_with_noise_of_their_own_follow_the_generator():
    before = torch.get_rng_state()
    one, two, other = Bowl(), Bowl(), Bowl()
    for objective, seed in ((one, 0), (two, 0), (other, 1)):
        train(objective, TrainingOptions(max_iter=5, report_every=2), seeded(seed))
    assert torch.equal(torch.get_rng_state(), before)
    assert one.draws == two.draws
    assert one.draws != other.draws
    assert len({str(draw) for draw in one.draws}) > 1


def test_training_mode_in_updates_evaluation_mode_elsewhere():
    objective = Bowl(validation=lambda objective: 0.0)
    train(objective, TrainingOptions(max_iter=4, report_every=2), seeded())
    assert objective.modes == [True, True, False, True, True, False]
    assert not objective.training


def test_autocast_of_the_caller_is_switched_off():
    class Product(Bowl):
        def losses(self, phase, generator):
            product = self.x[None] @ torch.ones(2, 1)
            assert product.dtype == torch.float32
            return {"loss": product.square().sum()}

    with torch.autocast("cpu", dtype=torch.bfloat16):
        train(Product(), TrainingOptions(max_iter=1), seeded())


# ------------------------------------------------------------------------- reports and stopping


def test_reports_come_at_regular_intervals_and_at_the_end():
    seen = []

    def report(history):
        assert isinstance(history, History)
        seen.append((history.n_iter, len(history.losses["loss"])))
        return False

    train(Bowl(), TrainingOptions(max_iter=7, report_every=3), seeded(), report=report)
    assert seen == [(3, 3), (6, 6), (7, 7)]


def test_a_report_stops_the_training():
    options = TrainingOptions(max_iter=100, report_every=3)
    history = train(Bowl(), options, seeded(), report=lambda history: history.n_iter >= 6)
    assert history.n_iter == 6


def scripted(values):
    """A validation that gives these losses in order, and records the weights."""
    losses, seen = iter(values), []

    def validation(objective):
        seen.append(objective.x.detach().clone())
        return next(losses)

    return validation, seen


def test_the_best_weights_are_restored():
    validation, seen = scripted([5.0, 2.0, 3.0, 1.5, 9.0])
    objective = Bowl(validation=validation)
    history = train(objective, TrainingOptions(max_iter=10, report_every=2), seeded())
    assert history.validation == [5.0, 2.0, 3.0, 1.5, 9.0]
    assert history.best_iter == 8
    assert history.n_iter == 10
    assert_close(objective.x.detach(), seen[3])
    assert not torch.allclose(seen[3], seen[4])


@pytest.mark.parametrize(
    ("losses", "n_iter"),
    [
        ([5.0, 4.0, 4.5, 4.1, 4.2, 0.0], 5),  # three without an improvement
        ([5.0, 4.9, 4.8, 4.7, 4.6, 0.0], 4),  # three without one that counts, of a tenth
        ([5.0, 4.0, 4.5, 3.0, 3.5, 2.0], 6),  # always in time
        ([-5.0, -5.1, -5.2, -5.3, -9.0, 0.0], 4),  # losses below zero
    ],
)
def test_it_stops_without_improvement(losses, n_iter):
    validation, _ = scripted(losses)
    options = TrainingOptions(max_iter=6, report_every=1, n_iter_no_change=3, tol=0.1)
    history = train(Bowl(validation=validation), options, seeded())
    assert history.n_iter == n_iter


def test_small_improvements_are_kept_if_not_counted():
    validation, seen = scripted([5.0, 4.9, 4.8, 4.7])
    objective = Bowl(validation=validation)
    options = TrainingOptions(max_iter=9, report_every=1, n_iter_no_change=3, tol=0.1)
    history = train(objective, options, seeded())
    assert history.best_iter == 4
    assert_close(objective.x.detach(), seen[3])


# ---------------------------------------------------------------------------------- checkpoints


class Interrupt(Exception):
    pass


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("with_validation", [False, True])
def test_an_interrupted_training_ends_like_an_uninterrupted_one(
    tmp_path, optimizer, with_validation
):
    def objective():
        validation = (lambda objective: objective.x.sum().item()) if with_validation else None
        return Bowl(phases=[("a", 1), ("b", 2)], noise=1.0, validation=validation)

    def interrupting(history):
        if history.n_iter == 6:
            raise Interrupt
        return False

    options = TrainingOptions(max_iter=11, report_every=2, optimizer=optimizer, learning_rate=0.1)
    whole, parts, resumed = objective(), objective(), objective()
    expected = train(whole, options, seeded())
    checkpoint = Checkpoint(tmp_path / "run.safetensors")
    with pytest.raises(Interrupt):
        train(parts, options, seeded(), report=interrupting, checkpoint=checkpoint)
    history = train(resumed, options, seeded(99), checkpoint=checkpoint)
    assert torch.equal(resumed.x, whole.x)
    assert history == expected
    assert len(resumed.asked) == 5 * 3  # five of eleven iterations were left
    assert resumed.draws == whole.draws[-15:]


def test_a_stalled_training_is_not_taken_up_again(tmp_path):
    options = TrainingOptions(max_iter=9, report_every=1, n_iter_no_change=1)
    checkpoint = Checkpoint(tmp_path / "run.safetensors")
    first, second = (Bowl(validation=lambda objective: 1.0) for _ in range(2))
    for objective in (first, second):
        assert train(objective, options, seeded(), checkpoint=checkpoint).n_iter == 2
    assert second.asked == []
    assert not second.training
    assert torch.equal(first.x, second.x)


def test_a_phase_may_begin_late_and_skip_iterations():
    class Seldom(Bowl):
        def phases(self):
            return [Phase("often", [self.x]), Phase("seldom", [self.x], start=2, every=3)]

    objective = Seldom()
    history = train(objective, TrainingOptions(max_iter=7, report_every=2), seeded())
    assert objective.asked == (
        ["often"] * 3 + ["seldom"] + ["often"] * 3 + ["seldom"] + ["often"]
    )  # fmt: skip
    assert len(history.losses["seldom.loss"]) == 2


def test_a_late_phase_warms_up_from_its_start():
    class Late(Bowl):
        def phases(self):
            return [Phase("late", [self.x], start=1000)]

    Rates.seen = []
    options = TrainingOptions(max_iter=1001 + N_WARMUP_ITER, learning_rate=1.0, optimizer=Rates)
    train(Late(), options, seeded())
    assert Rates.seen[0] < 2 / N_WARMUP_ITER
