"""Registration: similarities between point clouds."""
