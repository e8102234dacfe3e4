"""Lines of progress of a fit."""

from __future__ import annotations

import time

FIRST_LINE, MAX_SILENCE = 1.0, 60.0  # seconds of a fit before a line of progress, and between two


class Progress:
    """Lines of progress, which a verbose estimator prints.

    Parameters
    ----------
    name : str
        Name at the beginning of each line.
    verbose : int or bool
        Whether to print.
    """

    def __init__(self, name: str, verbose: int | bool) -> None:
        self.name, self.verbose = name, verbose
        self.started, self.next_line = time.monotonic(), FIRST_LINE

    def say(self, text: str) -> None:
        """Print a line."""
        if self.verbose:
            print(f"[{self.name}] {text}", flush=True)

    def step(self, text: str) -> None:
        """Print a line if the fit has taken 1, 2, 4, ... seconds, up to one line a minute."""
        now = time.monotonic() - self.started
        if now >= self.next_line:
            self.next_line = now + min(now, MAX_SILENCE)
            self.say(f"{text} after {now:.0f} s")


SILENT = Progress("", verbose=False)
