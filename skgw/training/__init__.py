"""Training: objectives with named phases, and the loop that trains them."""

from skgw.training.checkpoint import Checkpoint
from skgw.training.loop import TrainingOptions, train
from skgw.training.objective import Objective, Phase
from skgw.training.state import History

__all__ = ["Checkpoint", "History", "Objective", "Phase", "TrainingOptions", "train"]
