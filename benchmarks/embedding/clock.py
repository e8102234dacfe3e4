"""Time of an update within a fit."""

from __future__ import annotations

import math
import time
from typing import Any

from skgw import GWGenerativeEmbedding


class Clock:
    """A callback that records the time of each report; training reports every 50 updates."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def seconds_per_update(self) -> float:
        """Seconds of an update, without initialisation and placement; NaN below 51 updates."""
        updates = GWGenerativeEmbedding.report_every * (len(self.times) - 1)
        return (self.times[-1] - self.times[0]) / updates if updates > 0 else math.nan

    def setup(self, estimator: Any, context: Any) -> None:
        """Nothing to prepare."""

    def teardown(self, estimator: Any, context: Any) -> None:
        """Nothing to clean up."""

    def on_fit_task_begin(self, estimator: Any, context: Any, **about: Any) -> None:
        """Nothing to record."""

    def on_fit_task_end(self, estimator: Any, context: Any, **about: Any) -> None:
        """Record the time of a report; the end of the fit is not a report."""
        if context.task_name == "training":
            self.times.append(time.perf_counter())
