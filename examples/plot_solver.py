"""
=====================================
Solver functions: plan and divergence
=====================================

This example computes the plan between two point clouds with ``solve_gromov``, shows the effect of
the entropic regularisation, and minimises ``gw_divergence`` by gradient descent. Both functions
take numpy arrays or torch tensors and need no estimator.
"""

# %%
# Plan between two shapes
# -----------------------
#
# The first shape is a spiral in the plane. The second shape is the same spiral, rotated in space,
# with other points, noise, and random order. The two shapes have different numbers of points and
# dimensions.

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
rotated = np.pad(spiral(s), ((0, 0), (0, 1))) @ ortho_group.rvs(3, random_state=1)
rotated += 0.02 * rng.standard_normal(rotated.shape)

Ca, Cb = pairwise_distances(flat), pairwise_distances(rotated)
result = solve_gromov(Ca, Cb, reg=2e-3)
print(f"converged: {result.converged}, after {result.n_iter} outer steps")
print(f"marginal error {result.marginal_error:.1e}, relative to the total mass")
print(f"cost of the plan {result.cost:.4f}, with the entropy term {result.value:.4f}")

# %%
# The figure shows both shapes. A point on the right has the colour of its match, the point on the
# left that receives most of its mass.

match = result.argmax(axis=0)  # row of the largest entry of each column

figure = plt.figure(figsize=(9, 4.2), layout="constrained")
ax = figure.add_subplot(1, 2, 1)
ax.scatter(*flat.T, c=t, cmap="viridis", s=18)
ax.set(title="120 points in the plane", aspect="equal")
ax = figure.add_subplot(1, 2, 2, projection="3d")
ax.scatter(*rotated.T, c=t[match], cmap="viridis", s=18, depthshade=False)
ax.set(title="90 points in space, matched", xticklabels=[], yticklabels=[], zticklabels=[])
for axis in (ax.xaxis, ax.yaxis, ax.zaxis):
    axis.set_pane_color("white")
print(f"median error of the position on the spiral: {np.median(abs(t[match] - s)):.3f}")

# %%
# Entropic regularisation
# -----------------------
#
# The parameter ``reg`` is the weight of the entropy of the plan, relative to the mean squared
# distance, so that it is invariant to the unit of the distances. A large ``reg`` gives a diffuse
# plan after few steps, and a small ``reg`` gives a plan close to a one-to-one matching. The figure
# shows plans for four values, with rows and columns sorted along the spirals.

order = np.argsort(s)
figure, axes = plt.subplots(1, 4, figsize=(12, 3.2), sharey=True, layout="constrained")
for ax, reg in zip(axes, (1e-1, 2e-2, 2e-3, 2e-4), strict=True):
    solution = solve_gromov(Ca, Cb, reg=reg)
    ax.imshow(solution.plan[:, order] * 120, aspect="auto", cmap="magma_r", vmin=0, vmax=0.5)
    ax.set_title(f"reg={reg:g}\n{solution.n_iter} steps, cost {solution.cost:.4f}")
    ax.set_xlabel("right, along the spiral")
_ = axes[0].set_ylabel("left, along the spiral")

# %%
# Divergence
# ----------
#
# The entropic ``value`` of ``solve_gromov`` is not zero for an isometric copy. ``gw_divergence``
# subtracts the values of each space with itself and is zero for isometric copies.

copy = pairwise_distances(flat @ ortho_group.rvs(2, random_state=2))
print(f"value of solve_gromov for a copy: {solve_gromov(Ca, copy).value:.4f}")
print(f"gw_divergence for a copy:        {gw_divergence(Ca, copy):.1e}")

# %%
# The divergence of tensors is differentiable. By the envelope theorem, the gradient holds the plan
# fixed, so that the backward pass costs three matrix products for any number of solver steps. Here
# gradient descent moves ninety points in the plane until their distances match the distances of the
# shape in space. The figure shows the points at four steps, coloured by their position on the
# spiral.

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
position = s[matching.argmax(axis=0).numpy()]  # of each point on the spiral
figure, axes = plt.subplots(1, 4, figsize=(12, 3.4), sharex=True, sharey=True, layout="constrained")
for ax, (step, snapshot) in zip(axes, snapshots.items(), strict=True):
    ax.scatter(*snapshot.T, c=position, cmap="viridis", s=14)
    ax.set(title=f"step {step}: loss {losses[step]:.0e}", aspect="equal")
