"""How a network was compiled, as far as its trainer or its file says: optimizer, and which outputs have a loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from foldnet.errors import FoldnetError
from foldnet.insight.doctor.context import Context


def optimizer_of(context: Context) -> tuple[str, Mapping[str, Any]]:
    """Class and settings of the optimizer; ``("", {})`` if they are not known."""
    network = context.network
    if network._trainer is not None:
        optimizer = network._trainer.compiled.optimizer
        try:
            return type(optimizer).__name__, optimizer.get_config()
        except FoldnetError:
            return type(optimizer).__name__, {}
    stored = network.compile_config or {}
    for entry in (stored.get("optimizer"), stored.get("optimizer_config")):
        if isinstance(entry, Mapping):
            config = entry.get("config")
            return str(entry.get("class_name", "")), config if isinstance(config, Mapping) else {}
    return "", {}


def outputs_with_loss(context: Context) -> list[bool]:
    """For each output whether the training lowered a loss of it; where nothing is known, of a single one."""
    from foldnet.training.terms import terms_of

    network, count = context.network, len(context.outputs)
    if network._trainer is not None:
        terms = network._trainer.compiled.terms
    else:
        stored = network.compile_config or {}
        names = [t.name for t in network.outputs]
        try:
            terms = terms_of(stored.get("loss"), stored.get("loss_weights"), network.output_structure, names)
        except (FoldnetError, TypeError, ValueError, KeyError):
            terms = []
    if not terms:
        return [count == 1] * count  # its own training loop, or a loss that is added inside
    trained = {place for term in terms if term.weight != 0 for place in term.places}
    return [i in trained for i in range(count)]
