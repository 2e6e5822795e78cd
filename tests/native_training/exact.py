"""Fits of compiled programs in memory that AddressSanitizer watches to the element.

Everything that the compiled code is given lies in memory of just its size. The arrays that share one piece of memory,
the workspace and the weights, are set apart in it, and what lies between them is forbidden. Between gradients, over
which an update may run, lie NaNs instead, which must still be there in the end. To be run in a process of its own that
has the sanitizers loaded:

    python exact.py CASE ...                 prints each case, and "clean" in the end, or dies
    python exact.py --damaged CASE KIND ...  tries each as if arrays of this kind were shorter by one; prints what goes
                                             unnoticed, and "tried"
"""

import ctypes
import os
import sys

import numpy as np

from foldnet import Model, layers
from foldnet.engines.native import cache
from foldnet.engines.native.training.program import NativeTraining, _Buffers
from foldnet.engines.native.training.writer import BatchWriter
from tests.native_training import programs, test_blocks, test_gradients, test_image_changes
from tests.native_training.test_fit import of_every_kind, wide


def recurrent(units=3):
    """Every cell, with masks, units that are dropped, and states; of many units, whose steps threads share."""
    x = layers.Input((5, 2))
    y, h, _ = layers.LSTM(units, return_sequences=True, return_state=True, recurrent_dropout=0.3)(
        layers.Masking()(x)
    )
    parts = [
        layers.SimpleRNN(2, activation="silu")(x), layers.GRU(3, reset_after=False, go_backwards=True)(y),
        layers.GRU(units, zero_output_for_mask=True)(y, initial_state=h), layers.LSTM(2, dropout=0.2)(x),
    ]  # fmt: skip
    return Model(x, layers.Dense(2)(layers.Concatenate()(parts)))


def convolutions(units=3):
    """Strides, dilations, several axes, a spectral norm; of many units, whose positions threads share."""
    x = layers.Input((9, 8, 2))
    y = layers.Conv2D(units, (3, 2), (2, 1), padding="same", activation="tanh")(x)
    parts = [
        layers.Conv2D(17, 2, dilation_rate=(1, 2))(y), layers.Conv2DTranspose(2, 3, 2)(y),
        layers.DepthwiseConv2D(2)(y),
        layers.SpectralNormalization(layers.Conv1D(3, 4, 3), 2)(layers.Reshape((-1, units))(y)),
    ]  # fmt: skip
    return Model(x, layers.Dense(2)(layers.Concatenate()([layers.Flatten()(p) for p in parts])))


APART = 16
CASES = {
    "dropout and normalization": lambda: programs.program(
        programs.q2(), update=programs.adam(clip=("norm", 1.0))
    ),
    "wide": lambda: programs.program(wide()),
    "blocks": test_blocks.small,
    "shared blocks": test_blocks.wide,
    "of every kind": of_every_kind,
    "convolutions": lambda: programs.program(convolutions()),
    "convolutions, wide": lambda: programs.program(convolutions(40)),
    "recurrent": lambda: programs.program(recurrent()),
    "recurrent and wide": lambda: programs.program(recurrent(70)),
    "changed images": lambda: programs.program(test_image_changes.narrow()),
    "changed images, wide": lambda: programs.program(test_image_changes.wide()),
    "mixed images": lambda: programs.program(test_image_changes.mixed()),
    **{c.__name__: lambda c=c: test_gradients.made(c)[0] for c in test_gradients.CASES},
}

process = ctypes.CDLL(None)
damaged = ""
emitters = []


def exact(array, kind=""):
    """The same in memory of just its size, at the start of a cache line."""
    array = np.ascontiguousarray(array)
    size = array.nbytes - array.itemsize * (kind == damaged)
    place = ctypes.c_void_p()
    assert process.posix_memalign(ctypes.byref(place), 64, max(size, 1)) == 0
    ctypes.memmove(place, array.ctypes.data, size)
    return np.frombuffer((ctypes.c_char * array.nbytes).from_address(place.value), array.dtype).reshape(
        array.shape
    )


def forbid(array, start, end):
    process.__asan_poison_memory_region(
        ctypes.c_void_p(array.ctypes.data + 4 * start), ctypes.c_size_t(4 * (end - start))
    )


def apart():
    """Let emitters leave a gap after each array, and remember where."""
    declare, place_weights = BatchWriter._declare, BatchWriter._place_weights

    def declared(self, name, count, laned, kind="float"):
        short = 1 if damaged == ("lanes_space" if laned else "free_space") else 0
        at = self.layout.lanes if laned else self.layout.free
        declare(self, name, count, laned, kind)
        if laned:
            self.layout.lanes += 1
            self.lanes_gaps.append((at + count - short, self.layout.lanes))
        else:
            self.layout.free += APART
            self.free_gaps.append((at + count - short, self.layout.free))

    def placed(self):
        self.lanes_gaps, self.free_gaps = [], []
        emitters.append(self)
        place_weights(self)
        layout, trainable = self.layout, self.layout.trainable
        names = sorted(layout.weights, key=layout.weights.get)
        first = [n for n in names if layout.weights[n] < trainable]
        decaying = sum(layout.weights[n] < layout.decaying for n in first)
        for k, name in enumerate(names):
            layout.weights[name] += APART * k
        layout.decaying += APART * decaying
        layout.trainable += APART * len(first)
        layout.size += APART * len(names)

    BatchWriter._declare, BatchWriter._place_weights = declared, placed


def buffers():
    """Let fits have exact memory and guards in the gaps; returns the patterns to look after."""
    made, guards = NativeTraining._buffers, []

    def give(self, field, array):
        if field in ("order", "plain", "space"):
            array = array[: self.job_rows]
        array = exact(array, field)
        self.kept.append(array)
        setattr(self.job, field, array.ctypes.data)
        return array

    def tables(self, field, arrays):
        arrays = [exact(a, field) for a in arrays]
        pointers = (ctypes.c_void_p * len(arrays))(*(a.ctypes.data for a in arrays))
        self.kept += [*arrays, pointers]
        setattr(self.job, field, ctypes.addressof(pointers))

    def guarded(self, state, rows, *arguments):
        _Buffers.job_rows = rows
        b = made(self, state, rows, *arguments)
        by_field = {
            f: a
            for f in ("lanes_space", "free_space", "weights", "gradients")
            for a in b.kept
            if getattr(a, "ctypes", None) and a.ctypes.data == getattr(b.job, f)
        }
        emitter, layout, R = emitters[-1], self._source.layout, -(-rows // 16) * 16
        assert layout.lanes == emitter.layout.lanes
        lanes, free = by_field["lanes_space"], by_field["free_space"]
        parts = 1
        if self._source.block and rows > self._source.block:  # a part for each thread, whole blocks alone
            R = self._source.block
            # Else the last block's arrays, which have as many places for rows as whole vectors need, lie elsewhere.
            assert -(-(rows % R) // 16) * 16 in (0, R)
            parts = free.size // layout.free if layout.free else lanes.size // (layout.lanes * R)
        for part in range(parts):
            for start, end in emitter.lanes_gaps:
                forbid(lanes, (part * layout.lanes + start) * R, (part * layout.lanes + end) * R)
            for start, end in emitter.free_gaps:
                forbid(free, part * layout.free + start, part * layout.free + end)
        forbid(lanes, parts * layout.lanes * R, lanes.size)
        sizes = {n: emitter.size(n) for n in layout.weights}
        ends = [*sorted(layout.weights.values())[1:], layout.size]
        for (name, at), end in zip(sorted(layout.weights.items(), key=lambda i: i[1]), ends, strict=True):
            end_of = at + sizes[name] - (damaged == ("weights" if at >= layout.trainable else "gradients"))
            if at >= layout.trainable:
                forbid(by_field["weights"], end_of, end)
            else:
                guard = by_field["gradients"][end_of : min(end, layout.trainable)]
                guard[:] = np.nan
                guards.append((name, guard))
        return b

    _Buffers.give, _Buffers.tables, NativeTraining._buffers = give, tables, guarded
    return guards


def fit(name, guards):
    """Fits that are clean, or die: shuffled and in order, the latter by the code for the common number of rows.

    Those of blocks with a batch of two blocks, too.
    """
    program = CASES[name]()
    engine = NativeTraining(program)
    several = [(2 * engine._source.block, True)] * name.endswith("blocks")
    for rows, shuffle in ((37, True), (32, False), *several):
        data = programs.data(program, rows, seed=3)
        plan = programs.plan(
            rows,
            rows,
            2,
            1e-3,
            len(program.update.scalars),
            seed=7,
            threads=1 if damaged else 2,  # of several threads some may find no block left
            shuffle=shuffle,
            validation_epochs=[1, 1],
        )
        engine.fit(programs.start(program), data, plan, data)
        for variable, guard in guards:
            assert np.isnan(guard).all(), f"{name}: written past the gradient of {variable}"
        guards.clear()


def main(arguments):
    global damaged
    load = cache.load
    cache.load = lambda code, symbol, *options, **units: load(
        code, symbol, "-O0"
    )  # which compiles ten times as fast
    apart()
    guards = buffers()
    if arguments[0] != "--damaged":
        for name in arguments:
            print(name, flush=True)  # the last that is printed is the one that dies
            fit(name, guards)
        print("clean")
        return
    for kind in arguments[2:]:
        child = os.fork()
        if not child:
            damaged = kind
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            fit(arguments[1], guards)
            os._exit(0)
        if os.waitpid(child, 0)[1] == 0:
            print(f"{kind}: not noticed")
    print("tried")


if __name__ == "__main__":
    main(sys.argv[1:])
