"""The sections of `benchmarks.gpu_report`.

Every function takes a torch device, and sizes small enough to try it out on a CPU; it returns
figures that JSON can hold. Problems are those of `families.noisy_copy`, at an absolute `reg`.
"""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
import platform
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import product
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.common import Figures
from benchmarks.solver.families import noisy_copy
from benchmarks.solver.solvers import ott
from skgw.solvers import GromovResult, gw_divergence, solve_gromov
from skgw.solvers.experimental.cuda_graph import RecordedSolve, solve_fixed
from skgw.solvers.linear.balanced import newton_steps
from skgw.solvers.linear.newton_cg import LinearProblem
from skgw.solvers.quadratic.descent import CONVERGED

REG, TOL = 0.01, 1e-3
SMALL_CASES = ((1, 100), (64, 100), (512, 100), (64, 200))  # problems, points
CASES = (*SMALL_CASES, (1, 500), (1, 1000), (1, 2000))
LINEAR_CASES = ((64, 64), (132, 100), (512, 100), (132, 200), (132, 256))
SIZES = (500, 1000, 2000, 4000)
MAX_OTHERS = 1000  # points: POT and OTT take minutes beyond it


def load_backend(backend: str) -> None:
    """Make an experimental backend known to the solver."""
    if backend == "triton":
        importlib.import_module("skgw.solvers.experimental.newton_cg_triton")


def facts(device: str) -> Figures:
    """The machine and the versions."""
    packages = ("skgw", "torch", "triton", "numba", "POT", "jax", "ott-jax")
    found = {
        "versions": {name: _version(name) for name in packages} | {"cuda": torch.version.cuda},
        "python": platform.python_version(),
        "gpu": None,
    }
    if device == "cuda":
        gpu = torch.cuda.get_device_properties(0)
        found["gpu"] = {
            "name": gpu.name,
            "gigabytes": gpu.total_memory / 1e9,
            "multiprocessors": gpu.multi_processor_count,
            "capability": f"{gpu.major}.{gpu.minor}",
        }
    return found


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def floor(device: str, n: int = 4000, batch: int = 132) -> Figures:
    """Lower bounds of any solver: products, exponentials, kernel launches, synchronisations."""
    A, x = torch.rand(n, n, device=device), torch.rand(1, device=device)
    small = torch.rand(batch, 100, 100, device=device)
    many = 200

    def launches() -> None:
        for _ in range(many):
            x.add_(1.0)

    def synchronisations() -> None:
        for _ in range(many):
            x.add_(1.0).item()

    return {
        "product_tflops": 2 * n**3 / clock(lambda: A @ A, device) / 1e9,
        "batched_product_tflops": 2 * batch * 100**3 / clock(lambda: small @ small, device) / 1e9,
        "exp_per_ns": n * n / clock(lambda: A.exp(), device) / 1e6,
        "vector_product_gbytes_per_s": 4 * n * n / clock(lambda: A @ A[0], device) / 1e6,
        "launch_us": 1e3 * clock(launches, device) / many,
        "launch_and_synchronise_us": 1e3 * clock(synchronisations, device) / many,
    }


def correctness(device: str, backend: str, n: int = 60, batch: int = 4) -> Figures:
    """Distances to the solutions of torch's steps in float64 on the CPU."""
    load_backend(backend)
    Ca, Cb = pairs(batch, n, "cpu", torch.float64)
    found: Figures = {}
    for dtype, loss in product((torch.float64, torch.float32), ("L2", "KL")):
        tol = 1e-6 if dtype == torch.float64 else TOL
        options = {"loss": loss, "tol": tol}
        with quiet():
            expected = solve(Ca, Cb, **options, backend="torch")
            result = solve(Ca.to(device, dtype), Cb.to(device, dtype), **options, backend=backend)
        found[f"{str(dtype)[6:]} {loss}"] = {
            "converged": bool(result.converged.all()),
            "plan_l1": float((result.plan.cpu() - expected.plan).abs().sum((1, 2)).max()),
            "value": float((result.value.cpu() - expected.value).abs().max()),
            "on_device": result.plan.device.type == device,
        }
    exact = _gradient(Ca, Cb, "cpu", "torch")
    gap = (_gradient(Ca, Cb, device, backend) - exact).norm() / exact.norm()
    return found | {"gradient_relative": float(gap)}


def _gradient(Ca: Tensor, Cb: Tensor, device: str, backend: str) -> Tensor:
    Cb = Cb.to(device).requires_grad_()
    gw_divergence(Ca.to(device), Cb, reg=REG, tol=1e-7, backend=backend).sum().backward()
    return Cb.grad.cpu()


def speed(
    device: str, backend: str, cases: Sequence[tuple[int, int]] = CASES, budget: float = 2.0
) -> Figures:
    """Milliseconds per batch of (problems, points), and how often the host waited."""
    load_backend(backend)
    found = {}
    for batch, n in cases:
        arrays = pairs(batch, n, device)
        run = functools.partial(solve, *arrays, tol=TOL, backend=backend)
        with quiet():
            run()  # compiles
        result, waits = count_waits(run, device)
        found[f"{batch} x {n}"] = {
            "ms": clock(run, device, budget),
            "steps": int(result.n_iter.max()),
            "converged": float(result.converged.double().mean()),
            "waits": waits,
        }
    return found


def recorded(
    device: str, cases: Sequence[tuple[int, int]] = SMALL_CASES, budget: float = 2.0
) -> Figures:
    """Milliseconds per batch of the recorded solve, and how far its plans are from the usual ones.

    On a CPU, where nothing can be recorded, it is the same solve, asked for step by step.
    """
    found = {}
    for batch, n in cases:
        Ca, Cb = pairs(batch, n, device)
        a, reg = torch.full_like(Ca[:, 0], 1 / n), torch.full_like(Ca[:, 0, 0], REG)
        arrays = (Ca, Cb, a, a, reg)
        if device == "cuda":
            run = functools.partial(RecordedSolve(*arrays, tol=TOL), *arrays)
        else:
            run = functools.partial(solve_fixed, *arrays[:4], reg=reg, tol=TOL)
        with quiet():
            plan = solve(Ca, Cb, tol=TOL, backend="torch").plan
        solution, waits = count_waits(run, device)
        found[f"{batch} x {n}"] = {
            "ms": clock(run, device, budget),
            "converged": float((solution.status == CONVERGED).double().mean()),
            "plan_l1": float((solution.plan - plan).abs().sum((1, 2)).median()),
            "waits": waits,
        }
    return found


def speed_of_pot(
    device: str, cases: Sequence[tuple[int, int]] = CASES, budget: float = 2.0
) -> Figures:
    """Milliseconds for one problem, in torch and float64: its kernels underflow in float32."""
    from ot.gromov import entropic_gromov_wasserstein as solver

    found = {}
    for n in points(cases):
        Ca, Cb = (C[0] for C in pairs(1, n, device, torch.float64))
        options = {"epsilon": REG, "solver": "PGD", "tol": 1e-6, "numItermax": 100}
        run = functools.partial(solver, Ca, Cb, **options)
        found[f"1 x {n}"] = {"ms": clock(run, device, budget)}
    return found


def speed_of_ott(
    device: str, cases: Sequence[tuple[int, int]] = CASES, budget: float = 2.0
) -> Figures:
    """Milliseconds for one problem, compiled, on the device that JAX chooses."""
    if importlib.util.find_spec("ott") is None:
        return {"left out": "ott-jax is not installed"}
    import jax

    found: Figures = {"device": str(jax.devices()[0])}
    for n in points(cases):
        run = ott(*(C[0].numpy() for C in pairs(1, n, "cpu")), REG)
        found[f"1 x {n}"] = {"ms": clock(run, "cpu", budget)}
    return found


def points(cases: Sequence[tuple[int, int]]) -> list[int]:
    """Numbers of points at which the others are measured."""
    return sorted({n for _, n in cases if n <= MAX_OTHERS})


def linear(device: str, backend: str, cases: Sequence[tuple[int, int]] = LINEAR_CASES) -> Figures:
    """Milliseconds for one linear problem each, cold and at `REG`, and the errors reached."""
    load_backend(backend)
    steps, found = newton_steps(backend, device), {}
    for batch, n in cases:
        problem = linear_problem(batch, n, device)
        error = float(steps(problem, 30).error.max())
        ms = clock(functools.partial(steps, problem, 30), device)
        found[f"{batch} x {n}"] = {"ms": ms, "error": error}
    return found


def tiles(device: str, cases: Sequence[tuple[int, int]] = LINEAR_CASES) -> Figures:
    """The kernel's milliseconds for other sizes of its tiles and numbers of its warps."""
    from skgw.solvers.experimental import newton_cg_triton as kernel

    usual, found = (kernel.N_WARPS, kernel.TILE), {}
    try:
        for n_warps, tile in ((4, 8192), (8, 8192), (8, 16384), (16, 16384), (16, 32768)):
            kernel.N_WARPS, kernel.TILE = n_warps, tile
            found[f"{n_warps} warps, {tile} bytes"] = {
                case: figures["ms"] for case, figures in linear(device, "triton", cases).items()
            }
    finally:
        kernel.N_WARPS, kernel.TILE = usual
    return found


def memory(device: str, sizes: Sequence[int] = SIZES) -> Figures:
    """Peak megabytes on the GPU in a solve, and how many plans that is; nothing on a CPU."""
    found = {}
    for n in sizes:
        arrays = pairs(1, n, device)
        if device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        with quiet():
            solve(*arrays, tol=TOL, max_iter=15, backend="torch")
        peak = torch.cuda.max_memory_allocated() / 1e6 if device == "cuda" else None
        plans = None if peak is None else peak / (4e-6 * n * n)
        found[str(n)] = {"peak_mb": peak, "plans": plans}
    return found


def tests(device: str, arguments: Sequence[str], limit: float) -> Figures:
    """Whether the tests that `arguments` of pytest choose pass on this machine."""
    command = [sys.executable, "-m", "pytest", "-q", "-rs", *arguments]
    run = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=False)
    last = run.stdout.strip().rpartition("\n")[2]
    return {"passed": run.returncode == 0, "summary": last, "output": run.stdout[-6000:]}


def pairs(
    batch: int, n: int, device: str, dtype: torch.dtype = torch.float32
) -> tuple[Tensor, Tensor]:
    """Matrices of distances, (batch, n, n) each."""
    rng = np.random.default_rng(0)
    Ca, Cb = zip(*(noisy_copy(n, rng) for _ in range(batch)), strict=True)
    return tuple(torch.tensor(np.stack(C), device=device, dtype=dtype) for C in (Ca, Cb))


def linear_problem(batch: int, n: int, device: str) -> LinearProblem:
    """Squared distances between samples in the plane, of mean about one."""
    noise = torch.Generator().manual_seed(0)
    x, y = (torch.randn(batch, n, 2, generator=noise) for _ in range(2))
    a = torch.full((batch, n), 1 / n)
    reg, tol = torch.full((batch,), REG), torch.full((batch,), TOL)
    fields = (torch.cdist(x, y) ** 2 / 4, a, a, reg, torch.zeros_like(a), tol)
    return LinearProblem(*(field.to(device) for field in fields))


def solve(Ca: Tensor, Cb: Tensor, **options: Any) -> GromovResult:
    return solve_gromov(Ca, Cb, reg=REG, reg_scale=None, **options)


@contextmanager
def quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def clock(run: Callable[[], object], device: str, budget: float = 0.3) -> float:
    """Median milliseconds of as many runs as fit into `budget` seconds, after one to warm up."""
    times: list[float] = []
    with quiet():
        wait(run, device)
        while sum(times) < budget and len(times) < 25:
            times.append(wait(run, device))
    return 1e3 * float(np.median(times))


def wait(run: Callable[[], object], device: str) -> float:
    """Seconds until the device has done what `run` asks for."""
    start = time.perf_counter()
    run()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def count_waits(run: Callable[[], Any], device: str) -> tuple[Any, int | None]:
    """The result, and how often the host waited for the GPU; None on a CPU."""
    if device != "cuda":
        with quiet():
            return run(), None
    before = torch.cuda.get_sync_debug_mode()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            result = run()
        finally:
            torch.cuda.set_sync_debug_mode(before)
    return result, sum("synchroniz" in str(w.message) for w in caught)
