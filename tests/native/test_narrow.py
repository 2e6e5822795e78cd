"""Narrow layers whose values stay in registers: the bits of rows that are computed alone, for vectors of 16 floats."""

import platform
import re

import numpy as np
import pytest

from foldnet.engines.native import NativeProgram
from foldnet.engines.native import compiler as cc
from foldnet.engines.native.compiler import Machine, machine
from foldnet.engines.native.prediction import known, source
from foldnet.engines.native.prediction.source import emit
from tests.native.networks import dense_stack, narrow_networks, random_inputs
from tests.operations.op_cases import same_bits
from tests.support import compile_once
from tests.support.compilers import COMPILERS, march

NETWORKS = narrow_networks()
FUNCTIONS = {"branches": 4, "activations in between": 2, "other operations": 2}
ROWS = (1, 2, 3, 4, 5, 8, 15, 16, 17, 31, 32, 33, 48, 63, 64, 65, 80, 127, 128, 150)


@pytest.mark.parametrize("name", NETWORKS)
def test_rows_have_the_bits_of_rows_alone(name, monkeypatch):
    graph = NETWORKS[name]
    assert emit(graph).code.count(" Dense layers of 16 rows") == FUNCTIONS.get(name, 1)
    monkeypatch.setattr(known, "machine", lambda: Machine(machine().name, "avx512f avx fma"))
    monkeypatch.setattr(source, "SHARE_COST", 1)
    inputs = random_inputs(graph, max(ROWS))
    for x in inputs:
        x[::5] = 0.0
        x[1::7, 0] = [np.nan, np.inf, -np.inf, -0.0, 1e38, 1e-40] * 3 + [-np.nan] * (len(x[1::7]) - 18)
    expected = NativeProgram(graph, threads=1, strategy="alone").run(inputs)
    for threads in (1, 2):
        program = NativeProgram(graph, threads=threads, strategy="lanes")
        for rows in ROWS:
            given = [x[:rows] for x in inputs]
            found = [np.full((rows + 1, *y.shape[1:]), -77, np.float32) for y in expected]
            program.run_into(given, [y[:rows] for y in found])
            for y, whole in zip(found, expected, strict=True):
                assert same_bits(y[:rows], whole[:rows]), rows
                assert (y[rows:] == -77).all(), rows


def test_what_is_raised_to_zero_has_no_sign(monkeypatch):
    """A sum of -0.0 is not more than 0.0, which is what it is raised to, in every vector's way of doing it."""
    graph = dense_stack((4, 3, 1), kernel=1.0, bias=-0.0)
    monkeypatch.setattr(known, "machine", lambda: Machine(machine().name, "avx512f avx fma"))
    x = np.full((20, 4), -0.0, np.float32)
    for strategy in ("alone", "lanes", "rows"):
        y = NativeProgram(graph, threads=1, strategy=strategy).run([x])[0]
        assert not np.signbit(y).any(), strategy


@pytest.mark.parametrize(
    ("sizes", "functions"),
    [((11, 10, 8, 6, 1), 1), ((24, 14, 1), 1), ((25, 24, 1), 1), ((20, 20, 20), 0), ((4, 60, 4), 0)],
)
def test_what_is_written_out_is_limited(sizes, functions):
    """Not more than 350 multiply-adds in all, and layers that fit the registers."""
    graph = dense_stack(sizes)
    assert emit(graph).code.count(" Dense layers of 16 rows") == functions
    assert " Dense layers of " not in emit(graph, simd=8).code


def test_networks_of_the_same_layers_share_their_code():
    code = emit(dense_stack(*[(6, 5, 4)] * 3)).code
    assert code.count(" Dense layers of 16 rows: 6-5-4.") == 1
    assert code.count("narrow1(") == 4


@pytest.mark.skipif(platform.machine() != "x86_64", reason="reads the assembly of x86-64")
@pytest.mark.parametrize("compiler", COMPILERS)
def test_each_multiply_add_is_one_instruction_that_reads_its_weight(compiler, tmp_path):
    flags = [f for f in cc.CODE_FLAGS if f != "-fvisibility=hidden"]
    command = [*COMPILERS[compiler], *flags, "-fPIC", march(compiler, "skylake-avx512"), *cc.wide_flags(16)]
    made = tmp_path / "net.s"
    code = emit(NETWORKS["a number for each row"]).code
    done = compile_once.run([*command, "-S", "-x", "c", "-", "-o", str(made)], tmp_path, code)
    assert done.returncode == 0, done.stderr[:3000]
    function = made.read_text().split("\nnarrow1:")[1].split("\t.size")[0]
    lines = re.findall(r"\tv?fmadd\w+\s.*", function)
    assert len(lines) == 11 * 10 + 10 * 8 + 8 * 6 + 6
    assert all("ps" in line and "zmm" in line for line in lines)
    assert sum("1to16" in line for line in lines) > 0.85 * len(lines)
    assert not re.search(r"\t(v\w+ss|call\w*|j\w+)\s", function.replace("broadcastss", ""))
