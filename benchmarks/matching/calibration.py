"""Fit the model of `matching_probability_`, and score it on families that were left out.

    python -m benchmarks.matching.calibration --data FOLDER

Each problem is matched by `GWMatcher()` with the same rows and with disjoint rows on both sides. A
matching is right below a FOSCTTM of .15, and wrong above .3; others are left out of the fit. The
model of a family is fitted to the other families. The last line is fitted to all: these are the
constants of `skgw.matching.matching_probability`.
"""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from benchmarks.common import Cell, Figures, Rows, parser, print_table, run, seeds
from benchmarks.matching.family import RIGHT, WRONG, quality
from benchmarks.matching.problems import DISJOINT, MIN_ROWS, SAME, Array, named, split
from benchmarks.tables import Table
from skgw.matching.alignment import MatchingSettings
from skgw.matching.candidate_metrics import CANDIDATES, OF_ONE_FEATURE
from skgw.matching.matching_probability import WARNING_PROBABILITY, of_margin, of_neighbors
from skgw.matching.plan_pool import pool_plans
from skgw.matching.side_information import SideInformation
from skgw.matching.training_domain import TrainingDomain

BINS = 0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0  # of the reliability diagram
