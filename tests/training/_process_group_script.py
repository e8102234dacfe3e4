"""Script of two processes that torchrun starts: each writes its results to its own file."""

import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn

from skgw import GWGenerativeEmbedding
from skgw.embedding import Generator
from skgw.training import Checkpoint, Objective, Phase, TrainingOptions, train
from skgw.training.process_group import join_process_group


class Towards(Objective):
    """Half the squared distance from a target, which differs between the processes."""

    def __init__(self, target, rank):
        super().__init__()
        self.x = nn.Parameter(torch.full((3,), float(rank)))  # synchronised before the first step
        self.register_buffer("n_draws", torch.tensor(0))
        self.target, self.draws = target, []

    def phases(self):
        return [Phase("x", [self.x])]

    def losses(self, phase, generator):
        self.n_draws += 1
        self.draws.append(float(torch.rand((), generator=generator)))
        return {"loss": 0.5 * (self.x - self.target).square().sum()}

    def validation_loss(self):
        return float(self.target)  # differs between the processes: the value of the first counts


def descend(processes):
    objective = Towards(torch.tensor(1.0 + 2 * processes.rank), processes.rank)
    reports = []
    options = TrainingOptions(
        max_iter=6, learning_rate=1.0, report_every=2, optimizer=torch.optim.SGD
    )
    noise = torch.Generator().manual_seed(0)

    def report(history):
        reports.append(history.n_iter)
        return history.n_iter == 4

    history = train(objective, options, noise, report=report)
    return {
        "x": objective.x.detach().numpy(),
        "draws": objective.draws,
        "reports": reports,
        "losses": history.losses["loss"],
        "validation": history.validation,
        "n_iter": history.n_iter,
    }


def resume(processes, folder):
    """Weights and draws of a resumed training and of an uninterrupted training."""
    options = TrainingOptions(max_iter=6, learning_rate=0.1, report_every=2)

    def run(checkpoint, stop_at=None):
        objective = Towards(torch.tensor(1.0 + 2 * processes.rank), processes.rank)
        noise = torch.Generator().manual_seed(0)

        def report(history):
            return history.n_iter == stop_at

        train(objective, options, noise, report=report, checkpoint=checkpoint)
        return objective

    whole, checkpoint = run(None), Checkpoint(Path(folder) / "run.safetensors")
    run(checkpoint, stop_at=4)
    resumed = run(checkpoint)
    return {
        "resumed": resumed.x.detach().numpy(),
        "whole": whole.x.detach().numpy(),
        "draws_resumed": resumed.draws,
        "draws_whole": whole.draws[4:],
    }


def embed(random_state):
    X = np.random.default_rng(0).normal(size=(40, 3)) * [3, 2, 1]
    estimator = GWGenerativeEmbedding(
        max_iter=6, n_generated=40, batch_size=16, hidden_layer_sizes=(16,), adversary="mlp",
        generator=Generator(init="random"), random_state=random_state, verbose=1,
    )  # fmt: skip
    estimator.fit(X)
    return {
        "embedding": estimator.embedding_,
        "loss_curve": estimator.loss_curve_,
        "sample": estimator.sample(5, random_state=0),
    }


def main():
    folder = sys.argv[1]
    torch.set_num_threads(1)
    processes = join_process_group(torch.device("cpu"))
    seen = {
        "size": processes.size,
        "gathered": processes.gather(10 * processes.rank),
        **descend(processes),
    }
    seen |= resume(processes, folder)
    for name, state in (("seeded", 0), ("again", 0), ("unseeded", None)):
        seen |= {f"{name}_{key}": value for key, value in embed(state).items()}
    np.savez(Path(folder) / f"rank{processes.rank}.npz", **seen)


if __name__ == "__main__":
    main()
