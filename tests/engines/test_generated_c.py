"""Generated C reads as if written by hand: names, no idle loops or terms, nothing that is not called."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from foldnet import Sequential, layers
from foldnet.codegen.names import C_RESERVED
from foldnet.codegen.plain_names import title
from foldnet.engines.native.prediction.portable import emit_portable
from foldnet.engines.native.prediction.source import emit
from foldnet.engines.native.training.places import Places
from foldnet.engines.native.training.source import source
from foldnet.graph.graph import bind
from foldnet.lowering.lower import lower
from foldnet.operations import catalogue
from tests.export.export_nets import NETS, rows_for
from tests.native_training import programs
from tests.native_training.test_fit import of_every_kind, wide
from tests.operations import gradient_values, training_values
from tests.operations.op_cases import GRAPHS, SMALL, groups, joined

TRAINED = {
    "dense": lambda: programs.program(programs.q2(), update=programs.adam(clip=("norm", 1.0))),
    "wide": lambda: programs.program(wide()),
    "every kind": of_every_kind,
}


def predicting(graph):
    """The C of a prediction program for this machine, and as it is exported."""
    yield "native", emit(graph).code
    yield "exported", emit_portable(graph, "net").code


def sources_of_operation(op, cases):
    """The C of the cases of an operation: predicted, and in a training step, with gradients where it has some."""
    if op.predicts:
        yield from predicting(joined(GRAPHS[case.label] for case in cases))
    if differentiable := gradient_values.differentiable(cases):
        yield "gradients", source(gradient_values.program(differentiable)).code
    elif op.trains:
        yield "step", source(training_values.program(cases)).code


def loops_of_one_turn(code):
    """``for`` from one number to another that is reached in a single step, and a share of one among threads."""
    for found in re.finditer(r"for \(\w+ (\w+) = (\d+); \1 < (\d+)[^;]*; (?:\1\+\+|\1 \+= (\d+))", code):
        low, high, step = int(found[2]), int(found[3]), int(found[4] or 1)
        if high - low <= step:
            yield found[0]
    yield from re.findall(r"for \([^;]*LOW\(1\)[^;]*;|ROWS\(\w+, LOW\(1\)", code)


def uncalled(code):
    """Functions that are defined and never named again."""
    names = Counter(re.findall(r"\w+", code))
    defined = re.findall(
        r"^static [^;={]*?(\w+)\([^;]*?\{", code.replace("__attribute__((always_inline)) ", ""), re.M
    )
    return [name for name in defined if names[name] < 2]


def one_element_arrays(code):
    """Declared with one element, where a number would do."""
    return re.findall(r"\b(?:float|double|int32_t|int64_t|int|long) \w+\[1\]", code)


def lines_with(pattern, code):
    """Lines in which a pattern is found."""
    return [line for line in code.split("\n") if pattern.search(line)]


IDLE_TERM = re.compile(r"\* 1(?![\w.])|(?<![\w.])1 \* |[+-] 0(?![\w.])|(?<![\w.])0 \+ ")
IDLE_PARENTHESES = re.compile(
    r"\[\([^()]*\)\]|[+*] \(\w+\)(?![\w(-])|\(\((?!noinline|always_inline|vector_size)[^()]*\)\)"
)
DECLARATION = re.compile(r"\s*(?:const )?\w+ \*const \w+ = ")
BODY = re.compile(
    r"^(?:static [^;{]*?)?((?:body|forward|backward|totals|update)\w*)\(.*?\{\n(.*?)^\}", re.M | re.S
)
PLACE = re.compile(r"\b[SFWGfw] \+ \d")


def idle_terms(code):
    """Factors of 1 and terms of 0 of whole numbers."""
    return lines_with(IDLE_TERM, code)


def idle_parentheses(code):
    """Around a whole subscript, around a name in a sum, or twice around the same."""
    return lines_with(IDLE_PARENTHESES, code)


def unnamed_places(code):
    """Places in the workspace or among the weights that are computed with where they have no name."""
    lines = [(head, line) for head, body in BODY.findall(code) for line in lines_with(PLACE, body)]
    return [f"{head}: {line}" for head, line in lines if not DECLARATION.match(line)]


INNER_NAMES = re.compile(
    r"^ {4,}(?:static )?(?:const )?(?:float|double|int|long|int32_t|int64_t) \*?(?:const )?(\w+)|for \(\w+ (\w+) =",
    re.M,
)
PREDICTION = re.compile(r"^(?:static [^;{]*?body_|int net)\w*\(.*?\{\n(.*?)^\}", re.M | re.S)


def names_that_values_may_have(code):
    """Names inside blocks of a prediction that a layer could have, too: what is meant by them would change."""
    for body in PREDICTION.findall(code):
        found = {a or b for a, b in INNER_NAMES.findall(body)}
        yield from sorted(n for n in found - C_RESERVED if not re.fullmatch(r"[a-z]\d+", n))


ORDERLY = (
    names_that_values_may_have,
    loops_of_one_turn,
    uncalled,
    one_element_arrays,
    idle_terms,
    idle_parentheses,
    unnamed_places,
)


def assert_orderly(what, code):
    # What is left out by a macro that the processor decides on, and macros, which need more parentheses, do not count.
    code = re.sub(r"/\*.*?\*/", "", code, flags=re.S)
    called = list(uncalled(code))
    code = re.sub(r"^#.*?(?<!\\)\n", "", code, flags=re.M | re.S)
    for check in ORDERLY:
        wrong = called if check is uncalled else list(check(code))
        assert not wrong, f"{what}: {check.__name__.replace('_', ' ')}: {wrong[:5]}"


@pytest.mark.parametrize("number", range(8))
def test_c_of_operations_reads_well(number):
    together = [(op, group) for op in catalogue.every_op().values() for group in groups(op)]
    for op, group in together[number::8]:
        cases = [case for case in group if not op.predicts or case.label in SMALL]
        for what, code in sources_of_operation(op, cases) if cases else ():
            assert_orderly(f"{op.__name__}, {what}", code)


@pytest.mark.parametrize("name", NETS)
def test_c_of_predictions_reads_well(name):
    graph = bind(NETS[name], [(None, *x.shape[1:]) for x in rows_for(NETS[name], 1)])
    for what, code in predicting(graph):
        assert_orderly(f"{name}, {what}", code)
        for node in graph.nodes:
            if not node.op.is_alias(graph.types[node.inputs[0]].dtype):
                assert re.search(rf"/\* (.*: )?{re.escape(title(node.op))} \*/", code), (what, node)


@pytest.mark.parametrize("name", TRAINED)
def test_c_of_training_reads_well(name):
    program = TRAINED[name]()
    made = source(program)
    assert_orderly(name, made.code)
    places = Places(program)
    for node in (*places.forward, *places.backward):
        if places.roots[node.output] == node.output:
            assert f"/* {places.names.comment(node)} */" in made.code, node
    read = set(map(int, re.findall(r"\bN\[(\d+)\]", made.code)))
    assert read == set(range(len(made.layout.numbers))), "numbers that nothing reads"
    assert source(TRAINED[name]()).code == made.code, "names that change from network to network"


def test_comments_name_the_layer_and_its_activation():
    network = Sequential([layers.Input((3,), name="x"), layers.Dense(4, "relu", name="hidden")])
    exported = emit_portable(lower(network), "net").code
    assert "/* hidden: Dense */" in exported
    assert "/* hidden: relu */" in exported
    assert re.search(r"float \*const hidden = \w+;", exported)
    trained = source(programs.program(network, update=programs.sgd())).code
    for comment in ("layer 1: Dense", "layer 1: relu", "gradient of layer 1: relu_slope", "loss: mean"):
        assert f"/* {comment} */" in trained, comment
    for line in ("float *const dense_1_kernel = W;", "float *const dense_1 = S"):
        assert line in trained
