"""Sizes that depend on lengths compute and compare as the numbers that they stand for, in Python and in C."""

import ctypes
import operator
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foldnet.codegen.size_names import SizeNames, writing
from foldnet.graph.sizes import Lengths, chosen, free, larger, smaller, usual
from tests.support import compilers

COMPARISONS = [operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge]


def calculation(dice, depth):
    """A random function of a list of numbers, with everything that shape rules do."""
    if depth == 0 or dice.random() < 0.1:
        if dice.random() < 0.7:
            place = dice.randrange(2)
            return lambda n: n[place]
        number = dice.randrange(-6, 20)
        return lambda n: number
    a, b = calculation(dice, depth - 1), calculation(dice, depth - 1)
    number = dice.randrange(1, 9)
    kind = dice.choice("+-*/%><?!")
    if kind == "+":
        return lambda n: a(n) + b(n)
    if kind == "-":
        return lambda n: a(n) - b(n)
    if kind == "*":
        return lambda n: a(n) * number if depth > 1 else a(n) * b(n)
    if kind == "/":
        return lambda n: a(n) // number
    if kind == "%":
        return lambda n: a(n) % number
    if kind == ">":
        return lambda n: larger(a(n), 0)
    if kind == "<":
        return lambda n: -a(n)
    if kind == "!":
        c = calculation(dice, depth - 1)
        return lambda n: chosen(c(n), larger(a(n), 0), smaller(larger(b(n), 0), n[0]))
    test = dice.choice(COMPARISONS)
    return lambda n: a(n) if test(2 * a(n), 2 * b(n)) else b(n)  # even ones: 1 is never met


@settings(max_examples=400, deadline=None)
@given(st.integers(0, 2**32), st.tuples(st.integers(1, 40), st.integers(1, 40)), st.booleans())
def test_they_compute_as_numbers_where_the_conditions_hold(seed, lengths, near):
    compute = calculation(random.Random(seed), 4)
    sizes = Lengths((30, 17) if near else (1_000_003, 1_000_033))
    found = compute(sizes.free)
    if sizes.fit(lengths):
        assert sizes.value(found, lengths) == compute(list(lengths))
    assert usual(found) == compute(list(sizes.assumed))


def test_the_conditions_hold_for_the_assumed_lengths():
    for seed in range(300):
        sizes = Lengths((30, 17))
        calculation(random.Random(seed), 4)(sizes.free)
        assert sizes.fit([30, 17]), seed


def test_what_is_known_needs_no_condition():
    sizes = Lengths((100, 100))
    n, m = sizes.free
    assert n > 0
    assert n >= 1
    assert n + m > 1
    assert 0 not in (n, m, n * m)
    assert n != 1
    assert n > 1
    assert not n <= 1
    assert n == n
    assert 2 * n - n == n
    assert (n * 32) % 8 == 0
    assert (n * 32) // 8 == 4 * n
    assert larger(n * 2, n) is not None
    assert str(larger(n * 2, n)) == str(n * 2)
    assert not sizes.conditions
    assert not sizes.fit([0, 3])
    assert n // 8 > 0  # this is not known
    assert sizes.fit([8, 1])
    assert not sizes.fit([7, 1])


def test_code_takes_sizes_for_equal_only_if_they_are_the_same_expression():
    sizes = Lengths((100, 100))
    n, m = sizes.free
    with writing(sizes, None):
        assert n != m
        assert n != 7
        assert n == n * 1
    assert not sizes.conditions
    assert n == m  # it is so for the assumed lengths
    assert sizes.fit([5, 5])
    assert not sizes.fit([5, 6])


def test_they_are_no_numbers():
    (n,) = Lengths((9,)).free
    with pytest.raises(TypeError):
        range(n)
    with pytest.raises(TypeError, match="no arithmetic"):
        n + 0.5
    assert free(7) is None


def test_c_computes_them_as_python_does(tmp_path):
    dice, text, pairs = random.Random(5), [], []
    for number in range(60):
        compute = calculation(dice, 4)
        sizes = Lengths((30, 17))
        found = compute(sizes.free)
        if free(found) is None:
            continue
        names = SizeNames(sizes, ["a", "b"])
        with writing(sizes, names):
            value = f"{found}"
            tests = [names.test(condition) for condition in sizes.conditions]
        pairs.append((f"f{number}", sizes, found))
        lines = names.definitions([value, *tests])
        fits = " && ".join(f"({test})" for test in tests) or "1"
        text.append(
            f"long f{number}(long a, long b) {{\n{chr(10).join(lines)}\n  return {fits} ? {value} : -12345;\n}}"
        )
    (tmp_path / "sizes.c").write_text("\n".join(["#include <stdint.h>", *text]))
    compilers.build("gcc", ["-std=c99", "-O1", "-fPIC", "-shared", "-w", "sizes.c"], "sizes.so", tmp_path)
    library = ctypes.CDLL(str(tmp_path / "sizes.so"))
    assert len(pairs) > 40
    for name, sizes, found in pairs:
        function = getattr(library, name)
        function.restype, function.argtypes = ctypes.c_long, [ctypes.c_long] * 2
        for lengths in ((1, 1), (2, 9), (30, 17), (31, 16), (7, 400), (1000, 3)):
            expected = sizes.value(found, lengths) if sizes.fit(lengths) else -12345
            assert function(*lengths) == expected, (name, repr(found), lengths)
