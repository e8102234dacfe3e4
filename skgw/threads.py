"""Threads by the size of the work: one thread where threads would wait for each other.

A parallel operation ends when its last thread does, and the others wait in a loop that occupies
their cores. Threads of small operations wait more than they work, and most where other programs
need the cores. A block of `threads_for` runs on as many threads as its work occupies, never on more
than the user allows, and returns all settings to what they were.

Settings of OpenMP, which torch and scikit-learn use, and of MKL within torch belong to the calling
thread. The setting of a BLAS of numpy or scipy belongs to the process: while blocks of several
threads are open, the smallest one counts.
"""

from __future__ import annotations

import contextvars
import ctypes
import functools
import math
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sized
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, ParamSpec, TypeVar

import torch
from threadpoolctl import ThreadpoolController
from torch import nn

WORK_PER_THREAD = 2**25  # multiply-adds of one step that occupy a thread: about 2 ms
ELEMENT_WORK = 32  # multiply-adds that take the time of an exponential
PLACES = 64  # of an image at which a convolution is evaluated, in the mean: 8 x 8

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


class Pool(NamedTuple):
    """The threads of one library.

    Attributes
    ----------
    get : callable
        Returns the number of threads.
    set : callable
        Takes the number of threads.
    """

    get: Callable[[], int]
    set: Callable[[int], Any]


class _Mkl:
    """MKL within torch: a number for the calling thread; 0 follows OpenMP."""

    def __init__(self, exchange: Callable[[int], int]) -> None:
        self.exchange = exchange  # sets the number and returns the last one

    def get(self) -> int:
        number = self.exchange(0)
        self.exchange(number)
        return number


@functools.cache
def _pools() -> tuple[list[Pool], list[Pool]]:
    """Pools with a setting for each thread, and pools with one for the process."""
    of_thread: list[Pool] = []
    of_process: list[Pool] = []
    for library in ThreadpoolController().lib_controllers:
        pools = of_thread if library.user_api == "openmp" else of_process
        # For OpenBLAS threadpoolctl ignores all Python threads but one, which may not be the last.
        set_number = getattr(library, "_real_set_num_threads", library.set_num_threads)
        pools.append(Pool(library.get_num_threads, set_number))
    for path in (Path(torch.__file__).parent / "lib").glob("*torch_cpu.*"):
        if exchange := getattr(ctypes.CDLL(str(path)), "MKL_Set_Num_Threads_Local", None):
            of_thread.append(Pool(_Mkl(exchange).get, exchange))
    return of_thread, of_process


class _OfThread(threading.local):
    """What the user of a thread has set; None outside of blocks."""

    settings: list[int] | None = None
    torch_threads: int | None = None


class _OfProcess:
    """The blocks that are open in all threads, and what the user has set for the process."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.wanted: dict[int, list[int]] = {}  # by thread, the innermost block last
        self.settings: list[int] = []
        self.limits: list[int] = []
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self.after_fork)

    def after_fork(self) -> None:
        """Forget the blocks of threads that a forked child does not have."""
        self.lock, me = threading.Lock(), threading.get_ident()
        others = self.wanted.keys() - {me}
        self.wanted = {me: self.wanted[me]} if me in self.wanted else {}
        if others:
            self.apply()

    def enter(self, n: int) -> None:
        with self.lock:
            if not self.wanted:
                self.settings = [pool.get() for pool in _pools()[1]]
                self.limits = [*self.settings]
            self.wanted.setdefault(threading.get_ident(), []).append(n)
            self.apply()

    def leave(self) -> None:
        me = threading.get_ident()
        with self.lock:
            self.wanted[me].pop()
            if not self.wanted[me]:
                del self.wanted[me]
            self.apply()

    def apply(self) -> None:
        n = min((blocks[-1] for blocks in self.wanted.values()), default=None)
        for k, pool in enumerate(_pools()[1]):
            limit = self.settings[k] if n is None else min(n, self.settings[k])
            if limit != self.limits[k] and pool.get() == self.limits[k]:  # else the user's change
                pool.set(limit)
                self.limits[k] = limit


_OF_THREAD, _OF_PROCESS = _OfThread(), _OfProcess()


@contextmanager
def threads_for(work: float) -> Iterator[None]:
    """Run a block, or as a decorator a function, on as many threads as its work occupies.

    A block within a block has threads for its own work, more or less than the outer one. A number
    that the user sets within the block stays.

    Parameters
    ----------
    work : float
        Multiply-adds of a step: of one pass through a network, or of one product of matrices.

    Examples
    --------
    >>> import torch
    >>> from skgw.threads import threads_for
    >>> before = torch.get_num_threads()
    >>> with threads_for(256 * 128 * 128):
    ...     torch.get_num_threads()
    1
    >>> torch.get_num_threads() == before
    True
    """
    n, pools = max(1, int(work / WORK_PER_THREAD)), _pools()[0]
    torch_threads = torch.get_num_threads()  # a new thread reads its default here
    before = [pool.get() for pool in pools]
    is_outermost = _OF_THREAD.settings is None
    if is_outermost:
        _OF_THREAD.settings, _OF_THREAD.torch_threads = before, torch_threads
    limits = [min(n, setting) for setting in _OF_THREAD.settings or before]
    _OF_PROCESS.enter(n)
    try:
        for pool, limit in zip(pools, limits, strict=True):
            pool.set(limit)
        yield
    finally:
        for pool, limit, setting in zip(pools, limits, before, strict=True):
            if pool.get() == limit:
                pool.set(setting)
        _OF_PROCESS.leave()
        if is_outermost:
            _OF_THREAD.settings = _OF_THREAD.torch_threads = None


def allowed_threads() -> int:
    """The number of threads that the user allows torch, also within blocks of `threads_for`."""
    return _OF_THREAD.torch_threads or torch.get_num_threads()


def each_on_a_thread(function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """Apply a function to each item, on as many threads as the user allows, one for each item.

    The function should spend its time in code that releases the interpreter lock. It reads the
    context variables of the caller. One item, or one thread, needs no other than the calling one.

    Parameters
    ----------
    function : callable
    items : iterable

    Yields
    ------
    result : object
        Of each item, in the order of the items.
    """
    n = allowed_threads()
    if n > 1:
        items = [*items]
        n = min(n, len(items))
    if n <= 1:
        yield from map(function, items)
        return
    context = contextvars.copy_context()
    with threads_for(0), ThreadPoolExecutor(n, initializer=_become_single) as executor:
        yield from executor.map(lambda item: context.copy().run(function, item), items)


def _become_single() -> None:
    """Keep the operations of a new thread on it."""
    torch.get_num_threads()  # reads the default, which would replace the setting later
    for pool in _pools()[0]:
        pool.set(1)


def network_work(network: nn.Module, n_rows: int) -> int:
    """Multiply-adds of a pass of rows through a network, estimated from its weights.

    A weight of a convolution is used at `PLACES` places of an image, another weight once.
    """
    modules = list(network.modules())
    kernels = sum(m.weight.numel() for m in modules if isinstance(m, nn.modules.conv._ConvNd))
    weights = sum(p.numel() for p in network.parameters())
    return n_rows * (weights + (PLACES - 1) * kernels)


def elements_work(n_elements: int) -> int:
    """Multiply-adds that take the time of an operation on each element of an array."""
    return ELEMENT_WORK * n_elements


def distances_work(*sets: Any) -> int:
    """Multiply-adds of the distances between the rows of the largest of some sets.

    Parameters
    ----------
    *sets : object
        Arrays (n, p), batches (B, n, p), matrices, data frames, `Domains`, graphs, sequences. What
        has no length counts nothing.
    """
    shapes = [_shape(rows) for rows in sets]
    n_sets, n, width = (max(sizes) for sizes in zip((1, 0, 1), *shapes, strict=True))
    return n_sets * n * n * width


def _shape(rows: Any) -> tuple[int, int, int]:
    """Numbers of sets in a batch, of rows and of columns."""
    shape = getattr(rows, "shape", None)
    if isinstance(shape, tuple) and all(isinstance(size, int) for size in shape):
        *batch, n, width = (1, *shape) if len(shape) > 1 else (1, *(shape or (0,)), 1)
        return math.prod(batch), n, width
    return (1, len(rows), 1) if isinstance(rows, Sized) else (1, 0, 1)


def matrices_work(*matrices: Any) -> int:
    """Multiply-adds that take the time of an operation on each element of the largest matrix.

    Parameters
    ----------
    *matrices : object
        As for `distances_work`.
    """
    return elements_work(max((math.prod(_shape(matrix)) for matrix in matrices), default=0))


def threads_by(work: Callable[..., float]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorate a function: it runs on the threads that `work`, of its arguments, occupies."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
            with threads_for(work(*args, *kwargs.values())):
                return function(*args, **kwargs)

        return wrapper

    return decorate
