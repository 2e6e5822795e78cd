"""Code for sizes that are known at the call: the bits of code for fixed sizes, for all operations and for networks."""

import pytest

from foldnet.engines.native import NativeProgram
from foldnet.engines.native.prediction.program import NativeCode
from foldnet.engines.native.prediction.source import emit
from tests.operations.free_axes import CHANGES, FREE, at_lengths, changed, fits, together
from tests.operations.op_cases import PREDICTING, same_bits
from tests.support.compilers import PROCESSORS, assert_no_warnings

TOGETHER = 24


def test_most_operations_can_have_free_axes():
    """So the tests below test something."""
    cannot = {type(PREDICTING[label].op).__name__ for label, (axes, _) in FREE.items() if not axes}
    can = {type(PREDICTING[label].op).__name__ for label, (axes, _) in FREE.items() if axes}
    assert cannot <= can, cannot - can
    assert sum(bool(axes) for axes, _ in FREE.values()) > 0.85 * len(FREE)


WITH_FREE = [label for label in FREE if FREE[label][0] and fits(label, changed(label, CHANGES["same"]))]
GROUPS = [
    part
    for start in range(0, len(WITH_FREE), TOGETHER)
    for one_by_one in (True, False)
    if (
        part := [
            label
            for label in WITH_FREE[start : start + TOGETHER]
            if PREDICTING[label].op.one_by_one is one_by_one
        ]
    )
]


@pytest.mark.parametrize("group", range(len(GROUPS)))
def test_operations_have_the_bits_of_fixed_sizes(group):
    labels, served = GROUPS[group], 0
    code = NativeCode(together(labels)[0])
    names = ("longer", "one" if group % 2 else "long")
    for name in names:
        _, fixed, lengths, data = at_lengths(labels, CHANGES[name], rows=3)
        program = NativeProgram.at_lengths(code, lengths)
        assert program is not None
        for label, a, b in zip(labels, NativeProgram(fixed).run(data), program.run(data), strict=True):
            assert same_bits(a, b), (label, name)
        shapes = {label: changed(label, CHANGES[name]) for label in labels}
        served += sum(shapes[label] is not None and fits(label, shapes[label]) for label in labels)
    assert served >= len(labels)


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_compilers_warn_of_nothing(compiler, tmp_path):
    for labels in GROUPS[::4]:
        graph, _ = together(labels)
        for simd, processor in PROCESSORS.items():
            assert_no_warnings(compiler, emit(graph, simd=simd).code, tmp_path, processor)
