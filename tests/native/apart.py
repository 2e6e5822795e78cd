"""Predictions in a workspace whose arrays are set apart, so that a step that leaves its own is seen.

Sanitizers cannot see this by themselves, as all arrays lie in one piece of memory.
"""

from foldnet.codegen import workspace
from foldnet.codegen.size_names import lengths_of
from foldnet.engines.native.prediction import source, strategies
from foldnet.engines.native.prediction.rows import row_step
from foldnet.graph.op import INT

APART = 16
"""Elements, of each row or lane, that belong to nobody."""


def set_apart(graph, simd, monkeypatch, lengths=(), strategy="lanes"):
    """C for the graph, and what belongs to nobody where several rows are computed, and where single rows are.

    Sizes may depend on lengths; then they are those for the given ones.
    """
    planned = []

    def apart(graph, **settings):
        planned.append(workspace.plan(graph, apart=APART, **settings))
        return planned[-1]

    with monkeypatch.context() as patch:
        patch.setattr(source, "plan", apart)
        patch.setattr(strategies, "plan", apart)
        patch.setattr(strategies, "BLOCK_BYTES", 1 << 30)  # the values that stand apart are many
        patch.setattr(strategies, "ROWS_BYTES", 1 << 30)
        patch.setattr(strategies, "MOST_ROWS", 24)
        patch.setattr(strategies, "CACHED_ROWS", 24)
        patch.setattr(source, "KEPT", 0)  # they are looked at when they are freed
        patch.setattr(strategies, "ALONE", 1 << 30)  # and so are their products
        patch.setattr(source, "STACK_FLOATS", 0)
        made = source.emit(graph, simd=simd, strategy=strategy)
    lanes, rows = (int(made.code.split(f"#define {name} ")[1].split()[0]) for name in ("LANES", "ROWS"))
    alone = any(node.op.one_by_one for node in graph.nodes) or lengths
    assert alone or (rows if strategy == "rows" else lanes) > 1
    row, *blocks = planned
    of_row = _gaps(graph, row, 1, lengths)
    if rows > 1:
        steps = row_step(row.floats), row_step(row.ints)
        of_rows = {
            (kind, 4 * m * steps[kind] + at, size): name
            for m in (0, 1, rows - 1)
            for (kind, at, size), name in of_row.items()
        }
        return made, of_rows, of_row
    return made, _gaps(graph, blocks[0], lanes) if lanes > 1 else of_row, of_row


def _gaps(graph, plan, lanes, lengths=()):
    """(whether among the ints, first byte, bytes) of what belongs to nobody, and the value that it follows."""
    found, open_ones = {}, lengths_of(graph)
    for name, offset in plan.offsets.items():
        end = offset + plan.rooms[name]
        end = end if open_ones is None else open_ones.value(end, lengths)
        found[int(graph.types[name].dtype == INT), 4 * end * lanes, 4 * APART * lanes] = name
    return dict(sorted(found.items()))


def listed(table):
    """As C."""
    return "{" + ", ".join(f"{{{a}, {b}, {c}}}" for a, b, c in table) + "}"
