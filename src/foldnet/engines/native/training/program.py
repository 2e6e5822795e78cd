"""The native training engine: a whole fit as one compiled program."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Sequence
from functools import partial
from math import prod
from typing import Any

import numpy as np

from foldnet.arrays import Array
from foldnet.at_once import default_threads, piece
from foldnet.engines.fit import Data, FitPlan, FitResult, FitState, Sums
from foldnet.engines.native import cache
from foldnet.engines.native.training.known import known_source
from foldnet.errors import InputError, UnsupportedError
from foldnet.graph.op import INT
from foldnet.graph.training import TrainingProgram

SLICE = 0.05
"""Seconds that compiled code runs before Python may look at signals and at ``should_stop``."""

LONG_STEP = 100_000_000
"""Multiplications of a step, forward, from which it may have to end before it is done."""

MOST_THREADS = 8

SHARED_FROM = 300_000
"""Multiplications of a step, forward, from which sharing its blocks is worth that threads wait for each other."""

_POINTERS = (
    "team", "data", "validation", "validate", "scalars", "weights", "gradients", "slots", "averages", "lanes_space",
    "free_space", "numbers", "kept", "block_gradients", "block_lanes", "order", "plain", "space", "lanes", "sums",
    "validation_sums",
)  # fmt: skip
_INTEGERS = (
    "rows", "validation_rows", "batch", "chunk", "epochs", "first_epoch", "shuffle", "seed", "step", "scalar_row",
    "stop", "finished", "threads", "epoch", "position", "validating", "bad_epoch", "bad_step", "halt", "halted",
    "outside", "now_rows",
)  # fmt: skip
_FLOATS = ("slice", "regularization", "loss")


class _Job(ctypes.Structure):
    """What the compiled code is given and keeps its place in; the same fields as ``Job`` in threads.h."""

    _fields_ = [
        *((name, ctypes.c_void_p) for name in _POINTERS),
        *((name, ctypes.c_int64) for name in _INTEGERS),
        *((name, ctypes.c_double) for name in _FLOATS),
    ]


class _Buffers:
    """The arrays of one run; kept alive as long as the job points at them."""

    def __init__(self) -> None:
        self.job = _Job()
        self.kept: list[object] = []
        self.weights = self.slots = self.averages = np.zeros((0, 0), np.float32)

    def give(self, field: str, array: Array) -> Array:
        """Point a field of the job at an array."""
        self.kept.append(array)
        setattr(self.job, field, array.ctypes.data)
        return array

    def floats(self, field: str, count: int, kind: type[np.floating[Any]] = np.float32) -> Array:
        """A field's own array, zeroed, at the start of a cache line."""
        raw = np.zeros(count + 16, kind)
        start = -raw.ctypes.data % 64 // raw.itemsize
        return self.give(field, raw[start : start + count])

    def tables(self, field: str, arrays: Sequence[Array]) -> None:
        """Point a field at a list of pointers to arrays."""
        self.kept.extend(arrays)
        pointers = (ctypes.c_void_p * len(arrays))(*(a.ctypes.data for a in arrays))
        self.kept.append(pointers)
        setattr(self.job, field, ctypes.addressof(pointers))


class NativeTraining:
    """A training program as compiled C.

    Args:
        program: to run; the sizes of all values but the batch's known.

    Raises:
        UnsupportedError: something in the program has no compiled form.
        CompileError: the code is not at hand, and cannot be compiled and loaded.

    Attributes:
        is_native: True.
    """

    is_native = True

    def __init__(self, program: TrainingProgram) -> None:
        graph = program.graph
        if free := [name for name in graph.inputs if None in graph.types[name].shape[1:]]:
            raise UnsupportedError(f"{free[0]!r} has a free axis; bind the program to the sizes of the data")
        self.program = program
        self._source = known_source(program)
        address = cache.load(self._source.code, "foldnet_train", "-O2", units=2)
        self._train = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)(address)
        self._trainable = [v for v in program.variables if v.trainable]
        self._numbers = np.array(self._source.layout.numbers or [0.0], np.float64)
        self._shapes = [self._row(name) for name in program.graph.inputs]

    def fit(
        self,
        state: FitState,
        data: Data,
        plan: FitPlan,
        validation: Data | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> FitResult:
        """Run the plan; see ``foldnet.engines.fit``. A KeyboardInterrupt leaves the state after a whole step."""
        self._check(data)
        rule = self.program.update
        if rule is None:
            raise InputError("this program was made for evaluation only: it has no optimizer")
        steps = plan.epochs * -(-data.rows // plan.batch_size)
        scalars = np.ascontiguousarray(plan.scalars, np.float32)
        if data.rows and scalars.shape != (steps, len(rule.scalars)):
            raise InputError(
                f"the plan has scalars of shape {scalars.shape}, expected {(steps, len(rule.scalars))}: "
                "a row for each step of all epochs"
            )
        judged_size = plan.validation_batch_size or plan.batch_size
        b = self._buffers(state, data.rows, plan.batch_size, plan.threads, judged_size)
        job = b.job
        b.tables("data", data.arrays)
        b.give("scalars", scalars)
        b.give("order", np.zeros(data.rows + 1, np.int32))
        b.give("space", np.zeros(data.rows + 64, np.uint32))
        sums = b.give("sums", np.zeros((plan.epochs, self._source.sums + 2)))
        judged = b.give("validation_sums", np.full((plan.epochs, self._source.sums + 2), np.nan))
        job.rows, job.epochs, job.first_epoch = data.rows, plan.epochs, plan.first_epoch
        job.halt = int(plan.stop_on_nan)
        job.shuffle, job.seed, job.step = int(plan.shuffle), plan.seed, state.iterations
        if validation is not None:
            self._check(validation)
            b.tables("validation", validation.arrays)
            job.validation_rows = validation.rows
            wanted = np.zeros(plan.epochs, np.int8)
            wanted[: len(plan.validation_epochs)] = plan.validation_epochs[: plan.epochs]
            b.give("validate", wanted)
        try:
            stopped = data.rows > 0 and self._run(job, should_stop)
        finally:
            self._take(b, state)
        done = int(job.epoch) + int(job.validating) if data.rows else plan.epochs
        return FitResult(
            done,
            self._sums(sums[:done]),
            self._sums(judged[:done]) if validation is not None else None,
            stopped,
            (int(job.bad_epoch), int(job.bad_step)) if job.bad_epoch >= 0 else None,
        )

    def evaluate(self, state: FitState, data: Data, batch_size: int) -> Sums:
        """Sums over the data with Dropout off and moving statistics in use; changes nothing."""
        self._check(data)
        size = batch_size if self.program.by_batch else min(batch_size, 256)
        b = self._buffers(state, data.rows, size, None, size)
        job = b.job
        b.tables("validation", data.arrays)
        sums = b.give("validation_sums", np.zeros((1, self._source.sums + 2)))
        job.validation_rows, job.epochs, job.validating = data.rows, 1, 1
        if data.rows:
            self._run(job, None)
        return self._sums(sums)

    def _run(self, job: _Job, should_stop: Callable[[], bool] | None) -> bool:
        # Between slices the interpreter handles signals, so that Ctrl+C ends a fit after a whole step.
        step: Callable[[int], int] = self._train
        if should_stop is not None and self._source.work * job.batch > LONG_STEP:
            step = partial(self._watched, should_stop=should_stop)
        while step(ctypes.addressof(job)):
            if should_stop is not None and should_stop():
                return True
        if job.outside:
            raise InputError(
                "an index in the data lies outside its embedding table; indices must be at least 0 and below the "
                "layer's input_dim"
            )
        return False

    def _watched(self, address: int, should_stop: Callable[[], bool]) -> int:
        # Steps that take long run beside the interpreter, which tells them when to end before they are done.
        job = _Job.from_address(address)
        more: list[int] = []
        worker = threading.Thread(target=lambda: more.append(self._train(address)))
        worker.start()
        try:
            while worker.is_alive():
                worker.join(SLICE)
                if should_stop():
                    job.stop = 1
        finally:
            job.stop |= int(worker.is_alive())
            worker.join()
        return more[0]

    def _row(self, name: str) -> tuple[tuple[int, ...], type[np.generic]]:
        kind = self.program.graph.types[name]
        shape = tuple(n or 0 for n in kind.shape[1:])
        return shape, np.int32 if kind.dtype == INT else np.float32

    def _check(self, data: Data) -> None:
        if len(data.arrays) != len(self._shapes):
            raise InputError(f"the program takes {len(self._shapes)} arrays of data, got {len(data.arrays)}")
        for name, array, (shape, dtype) in zip(
            self.program.graph.inputs, data.arrays, self._shapes, strict=True
        ):
            if array.shape != (data.rows, *shape) or array.dtype != dtype or not array.flags.c_contiguous:
                raise InputError(
                    f"{name!r} must be a C-contiguous {np.dtype(dtype).name} array of shape {(data.rows, *shape)}, "
                    f"got {array.dtype} {array.shape}"
                )

    def _buffers(self, state: FitState, rows: int, batch: int, threads: int | None, judged: int) -> _Buffers:
        b, layout = _Buffers(), self._source.layout
        if batch < 1:
            raise InputError(f"batch_size must be 1 or more, got {batch}")
        if rows >= 2**31:
            raise InputError(f"{rows} rows are more than an epoch can hold; 2**31 - 1 is the most")
        job = b.job
        # Validation goes in as large pieces as there is room for, unless a program says what a batch is.
        widest = max(min(batch, max(rows, 1)), judged if self.program.by_batch else 64, 64)
        lanes = -(-widest // 16) * 16
        chosen = min(threads or piece().threads or default_threads(), MOST_THREADS)
        block = self._source.block or lanes
        at_once = 1
        if self._source.threaded:
            job.threads = chosen
        else:
            # Each thread works on blocks of its own.
            worth = self._source.work * widest >= SHARED_FROM
            at_once = job.threads = min(chosen, -(-lanes // block)) if worth else 1
        if at_once > 1 or lanes > block:
            b.floats("block_gradients", layout.trainable * at_once)
            b.floats("block_lanes", 16 * self._source.sums * at_once, np.float64)
        b.floats("lanes_space", layout.lanes * min(block, lanes) * at_once)
        b.floats("free_space", layout.free * at_once)
        b.give("numbers", self._numbers)
        b.floats("kept", layout.kept)
        b.give("plain", np.zeros(lanes, np.int32))
        b.floats("lanes", 16 * self._source.sums, np.float64)
        weights = b.floats("weights", layout.size)
        for name, at in layout.weights.items():
            array = state.weights.get(name, self.program.graph.constants[name])
            flat = np.asarray(array).ravel()
            if flat.dtype.kind in "iu":
                flat = flat.astype(np.int32).view(np.float32)
            weights[at : at + flat.size] = flat
        b.weights = weights
        rule = self.program.update
        if rule is not None:
            b.floats("gradients", layout.trainable)
            b.slots = b.floats("slots", layout.trainable * len(rule.slots)).reshape(
                len(rule.slots), layout.trainable
            )
            for k, start in enumerate(rule.slot_starts):
                b.slots[k] = start
            b.averages = b.floats("averages", layout.trainable)
            for v in self._trainable:
                at, size = layout.weights[v.name], prod(v.shape)
                for k, slot in enumerate(state.slots.get(v.name, ())):
                    b.slots[k, at : at + size] = slot.ravel()
                if v.name in state.averages:
                    b.averages[at : at + size] = state.averages[v.name].ravel()
        job.batch, job.chunk = batch, judged if self.program.by_batch else lanes
        job.slice, job.bad_epoch = SLICE, -1
        return b

    def _take(self, b: _Buffers, state: FitState) -> None:
        layout, rule = self._source.layout, self.program.update
        state.iterations = int(b.job.step)
        for v in self.program.variables:
            at, size = layout.weights[v.name], prod(v.shape)
            state.weights[v.name] = b.weights[at : at + size].reshape(v.shape).copy()
            if v.trainable and rule is not None:
                state.slots[v.name] = [s[at : at + size].reshape(v.shape).copy() for s in b.slots]
                if rule.ema is not None:
                    state.averages[v.name] = b.averages[at : at + size].reshape(v.shape).copy()

    def _sums(self, table: Array) -> Sums:
        values, at = [], 1
        for a in self.program.accumulators:
            values.append(table[:, at : at + a.width].copy())
            at += a.width
        rows = table[:, -1]
        with np.errstate(invalid="ignore", divide="ignore"):
            return Sums(rows.copy(), table[:, 0].copy(), table[:, -2] / np.maximum(rows, 1), values)
