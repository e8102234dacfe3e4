"""Training: objectives with named phases, and the one loop that runs them."""

from skgw.training.checkpoint import Checkpoint
from skgw.training.loop import History, TrainingOptions, train
from skgw.training.objective import Objective, Phase

__all__ = ["Checkpoint", "History", "Objective", "Phase", "TrainingOptions", "train"]
