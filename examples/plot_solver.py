"""
================================
The solver: two shapes, one plan
================================

``solve_gromov`` couples two spaces by the distances inside each, and ``gw_divergence`` makes a
differentiable loss of it. Both take numpy arrays or torch tensors and can be used without any
estimator.
"""

# %%
# Two shapes
# ----------
#
# A spiral in the plane, and the same spiral turned into space, sampled at other places, with
# noise, and in random order. Neither size nor dimension need agree.

import matplotlib.pyplot as plt
import numpy as np
import torch
from scipy.stats import ortho_group
from sklearn.metrics import pairwise_distances

from skgw.solvers import gw_divergence, solve_gromov

rng = np.random.default_rng(0)


def spiral(t):
    radius = 0.2 + 0.8 * t
    return np.column_stack([radius * np.cos(8 * t), radius * np.sin(8 * t)])


t, s = np.linspace(0, 1, 120), rng.permutation(np.linspace(0, 1, 90))
flat = spiral(t)
turned = np.pad(spiral(s), ((0, 0), (0, 1))) @ ortho_group.rvs(3, random_state=1)
turned += 0.02 * rng.standard_normal(turned.shape)

Ca, Cb = pairwise_distances(flat), pairwise_distances(turned)
result = solve_gromov(Ca, Cb, reg=2e-3)
print(f"converged: {result.converged}, after {result.n_iter} outer steps")
print(f"marginals off by {result.marginal_error:.1e} of a mass of 1")
print(f"cost of the plan {result.value_quad:.4f}, with the entropy term {result.value:.4f}")

# %%
# Each point of the right is given the colour of its heaviest partner on the left.

partner = result.argmax(axis=0)  # of each column

figure = plt.figure(figsize=(9, 4.2), layout="constrained")
ax = figure.add_subplot(1, 2, 1)
ax.scatter(*flat.T, c=t, cmap="viridis", s=18)
ax.set(title="120 points in the plane", aspect="equal")
ax = figure.add_subplot(1, 2, 2, projection="3d")
ax.scatter(*turned.T, c=t[partner], cmap="viridis", s=18, depthshade=False)
ax.set(title="90 points in space, matched", xticklabels=[], yticklabels=[], zticklabels=[])
for axis in (ax.xaxis, ax.yaxis, ax.zaxis):
    axis.set_pane_color("white")
print(f"median error of the position on the spiral: {np.median(abs(t[partner] - s)):.3f}")

# %%
# Entropy
# -------
#
# ``reg`` weighs the entropy of the plan. It is relative to the mean squared distance, so that the
# same value does the same thing whatever the unit. A large one blurs the plan and is quickly
# solved for; a small one tends to a matching. Rows and columns are sorted along the spirals.

order = np.argsort(s)
figure, axes = plt.subplots(1, 4, figsize=(12, 3.2), sharey=True, layout="constrained")
for ax, reg in zip(axes, (1e-1, 2e-2, 2e-3, 2e-4), strict=True):
    blurred = solve_gromov(Ca, Cb, reg=reg)
    ax.imshow(blurred.plan[:, order] * 120, aspect="auto", cmap="magma_r", vmin=0, vmax=0.5)
    ax.set_title(f"reg={reg:g}\n{blurred.n_iter} steps, cost {blurred.value_quad:.4f}")
    ax.set_xlabel("right, along the spiral")
_ = axes[0].set_ylabel("left, along the spiral")

# %%
# A loss
# ------
#
# The entropy makes even a perfect copy look different from the original: ``value`` is not zero for
# it. ``gw_divergence`` subtracts what a space costs against itself, and is zero for isometric
# copies.

copy = pairwise_distances(flat @ ortho_group.rvs(2, random_state=2))
print(f"value of solve_gromov for a copy: {solve_gromov(Ca, copy).value:.4f}")
print(f"gw_divergence for a copy:        {gw_divergence(Ca, copy):.1e}")

# %%
# For tensors it is differentiable: by the envelope theorem the plan can be held fixed, so that the
# backward pass costs three matrix products, however many steps the solver took. Here ninety free
# points in the plane move until their distances are those of the shape in space.

target = torch.as_tensor(Cb)
points = torch.as_tensor(0.3 * rng.standard_normal((90, 2))).requires_grad_()
optimizer = torch.optim.Adam([points], lr=0.03)
losses, snapshots = [], {}
for step in range(201):
    loss = gw_divergence(target, torch.cdist(points, points), reg=5e-3, tol=1e-2)
    if step in (0, 20, 60, 200):
        snapshots[step] = points.detach().clone()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())

matching = solve_gromov(target, torch.cdist(points, points).detach(), reg=5e-3)
position = s[matching.argmax(axis=0).numpy()]  # of each free point on the spiral
figure, axes = plt.subplots(1, 4, figsize=(12, 3.4), sharex=True, sharey=True, layout="constrained")
for ax, (step, snapshot) in zip(axes, snapshots.items(), strict=True):
    ax.scatter(*snapshot.T, c=position, cmap="viridis", s=14)
    ax.set(title=f"step {step}: loss {losses[step]:.0e}", aspect="equal")
