"""Predictions in a workspace whose arrays are set apart, so that a step that leaves its own is seen.

Sanitizers cannot see this by themselves, as all arrays lie in one piece of memory.
"""

from foldnet.codegen import layout
from foldnet.engines.native.prediction import source
from foldnet.graph.op import INT

APART = 16
"""Elements, of each row or lane, that belong to nobody."""


def set_apart(graph, simd, monkeypatch):
    """C for the graph, and what belongs to nobody where blocks of rows are computed, and where single rows are."""
    planned = []

    def apart(graph, **settings):
        planned.append(layout.plan(graph, apart=APART, **settings))
        return planned[-1]

    with monkeypatch.context() as patch:
        patch.setattr(source, "plan", apart)
        patch.setattr(source, "BLOCK_BYTES", 1 << 30)  # the values that stand apart are many
        patch.setattr(source, "ALONE", 1 << 30)  # and so are their products
        patch.setattr(source, "STACK_FLOATS", 0)
        made = source.emit(graph, simd=simd)
    lanes = int(made.code.split("#define LANES ")[1].split()[0])
    assert lanes > 1 or any(node.op.one_by_one for node in graph.nodes)
    block, row = planned
    of_rows = _gaps(graph, row, 1)
    return made, _gaps(graph, block, lanes) if lanes > 1 else of_rows, of_rows


def _gaps(graph, plan, lanes):
    """(whether among the ints, first byte, bytes) of what belongs to nobody, and the value that it follows."""
    found = {}
    for name, offset in plan.offsets.items():
        end = offset + plan.rooms[name]
        found[int(graph.types[name].dtype == INT), 4 * end * lanes, 4 * APART * lanes] = name
    return dict(sorted(found.items()))


def listed(table):
    """As C."""
    return "{" + ", ".join(f"{{{a}, {b}, {c}}}" for a, b, c in table) + "}"
