"""Generators and a callback for the tests of training."""

from torch import nn


class Recorder:
    """A callback that counts finished steps, and may stop or interrupt the fit."""

    def __init__(self, stop_at=None, interrupt_at=None):
        self.stop_at, self.interrupt_at = stop_at, interrupt_at
        self.tasks, self.fitted = [], None

    def setup(self, estimator, context):
        self.tasks = []

    def teardown(self, estimator, context):
        self.tasks.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context, *, X, fitted_estimator):
        self.tasks.append(context.task_name)
        steps = self.tasks.count("training")
        if steps == self.interrupt_at:
            raise KeyboardInterrupt
        if context.task_name == "fit":
            self.fitted = fitted_estimator.transform(X)
        return steps == self.stop_at


def linear(latent_dim, n_components):
    return nn.Linear(latent_dim, n_components)


def noisy(latent_dim, n_components):
    return nn.Sequential(
        nn.Linear(latent_dim, 32), nn.BatchNorm1d(32), nn.Dropout(0.5), nn.Linear(32, n_components)
    )
