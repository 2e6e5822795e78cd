"""Which values of a graph are used as indices or looked up, and their limits."""

from __future__ import annotations

from foldnet.graph.graph import Graph


def smallest_tables(graph: Graph) -> dict[str, int]:
    """For each value whose elements become indices, the size of the smallest table they are used on."""
    sizes: dict[str, int] = {}
    for node in reversed(graph.nodes):
        limit = node.op.table_rows(*(graph.types[v].shape for v in node.inputs))
        indices = node.inputs[:1]
        if limit is None and node.op.keeps_values:
            limit, indices = sizes.get(node.output), node.inputs
        for value in indices:
            if limit is not None:
                sizes[value] = min(limit, sizes.get(value, limit))
    return sizes


def allowed_numbers(graph: Graph) -> dict[str, list[int]]:
    """For each value that may hold only some whole numbers, because they are looked up, those numbers, rising."""
    allowed: dict[str, set[int]] = {}
    for node in reversed(graph.nodes):
        only = node.op.takes_only
        found = None if only is None else set(only)
        if found is None and node.op.keeps_values:
            found = allowed.get(node.output)
        if found is not None:
            allowed |= {value: allowed.get(value, found) & found for value in node.inputs}
    return {value: sorted(numbers) for value, numbers in allowed.items()}
