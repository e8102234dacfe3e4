"""Simulated data sets, small graphs, and a reader for image sets on disk.

No function downloads data.
"""

from .graphs import load_graph
from .images import load_images
from .modes import make_modes
from .shapes import make_far_mode, make_grid, make_parallel_lines, make_support
from .sprites import Sprites, make_sprites
from .views import Views, make_views

__all__ = [
    "Sprites",
    "Views",
    "load_graph",
    "load_images",
    "make_far_mode",
    "make_grid",
    "make_modes",
    "make_parallel_lines",
    "make_sprites",
    "make_support",
    "make_views",
]
