"""An optimizer's variables in Keras's order, for writing to and reading from files.

The order is: the number of steps, the learning rate (unless there is a schedule), the moving averages of the
weights, the accumulated gradients, then the slots. Adam and similar optimizers have all
slots of the first weight, then all of the second; the others have the first slot of all weights, then the second slot
of all weights. Nadam ends with the product of its momenta. The order was different before Keras 3, and different again
in tf.keras up to 2.10. The shapes alone do not show which order a file has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from foldnet.arrays import Array
from foldnet.errors import FileFormatError
from foldnet.layers.base import Layer
from foldnet.network import Network
from foldnet.training.optimizer import ACCUMULATOR, Optimizer
from foldnet.training.optimizer_layout import Layout
from foldnet.training.optimizers import SGD, Nadam
from foldnet.training.trainer import Trainer
from foldnet.training.variables import Variable

Owner = tuple[Layer, str]

INTERLEAVED = frozenset({"Adam", "AdamW", "Adamax", "Nadam", "Adadelta", "Ftrl", "Lamb", "ScheduleFreeAdamW"})
LAST_SLOT = "velocity_hat"
"""The slot of an interleaved optimizer that comes after all others."""

MAX_STEPS = 1 << 31
"""Keras counts steps in 32-bit integers."""


@dataclass(frozen=True)
class VariableSpec:
    """One variable: the weight it belongs to (None for the optimizer's own), its slot, and its shape."""

    owner: Owner | None
    slot: str
    shape: tuple[int, ...]


def trainable_weights(network: Network) -> list[tuple[Owner, tuple[int, ...]]]:
    """Every weight that training changes, with its shape, in the order of Keras's ``trainable_variables``."""
    found: dict[Owner, tuple[int, ...]] = {}
    for weight in network.trainable_weights:
        # A wrapper's weight is trained as that of the layer that computes with it.
        holder, name = weight.layer.holder_of(weight.name)
        found[holder.owner_of(name)] = weight.shape
    return list(found.items())


def variable_specs(network: Network, optimizer: Optimizer, layout: Layout) -> list[VariableSpec]:
    """The variables of an optimizer in the order of a generation of Keras.

    Before Keras 3 the learning rate and Nadam's product are not stored. In tf_keras SGD always has a
    momentum, and the oldest optimizers have no averages and store slots one after the other.
    """
    weights = trainable_weights(network)
    slots = list(optimizer.slots())
    new, old = layout is Layout.KERAS_3, layout is Layout.OPTIMIZER_V2
    if isinstance(optimizer, SGD) and layout is Layout.TF_KERAS:
        slots = ["momentum"]
    result = [VariableSpec(None, "iteration", ())]
    if new and isinstance(optimizer._learning_rate, float):
        result.append(VariableSpec(None, "learning_rate", ()))
    if old and isinstance(optimizer, Nadam):
        result.append(VariableSpec(None, "u_product", ()))

    def slot_spec(owner: Owner, shape: tuple[int, ...], slot: str) -> VariableSpec:
        return VariableSpec(owner, slot, shape)

    if optimizer.use_ema and not old:
        result += [slot_spec(*weight, "average") for weight in weights]
    if optimizer.gradient_accumulation_steps:
        result += [slot_spec(*weight, ACCUMULATOR) for weight in weights]
    if type(optimizer).__name__ in INTERLEAVED and not old:
        result += [slot_spec(*weight, slot) for weight in weights for slot in slots if slot != LAST_SLOT]
        slots = [slot for slot in slots if slot == LAST_SLOT]
    result += [slot_spec(*weight, slot) for slot in slots for weight in weights]
    if isinstance(optimizer, Nadam) and new:
        result.append(VariableSpec(None, "u_product", ()))
    return result


def state_of(trainer: Trainer, layout: Layout = Layout.KERAS_3) -> list[Array]:
    """The value of every variable of a trainer's optimizer; before the first step, the initial values."""
    optimizer = trainer.compiled.optimizer
    return [value_of(trainer, spec, layout) for spec in variable_specs(trainer.network, optimizer, layout)]


def value_of(trainer: Trainer, spec: VariableSpec, layout: Layout = Layout.KERAS_3) -> Array:
    """The value of one variable of a trainer's optimizer."""
    optimizer = trainer.compiled.optimizer
    start, order = optimizer.kept(), list(optimizer.kept())
    if spec.owner is None:
        return _own(optimizer, spec.slot)
    if spec.slot == "average":
        given = trainer.averages.get(spec.owner)
        if given is None and layout is Layout.TF_KERAS:
            # tf_keras starts averages with the weights, Keras 3 with zeros.
            layer, name = spec.owner
            given = layer.named_weights[name]
        return np.zeros(spec.shape, np.float32) if given is None else np.asarray(given, np.float32)
    slots = trainer.slots.get(spec.owner)
    if slots is None or spec.slot not in order:
        return np.full(spec.shape, start.get(spec.slot, 0.0), np.float32)
    return np.asarray(slots[order.index(spec.slot)], np.float32).reshape(spec.shape)


def set_value(trainer: Trainer, spec: VariableSpec, value: Array) -> None:
    """Set one variable of a trainer's optimizer."""
    optimizer = trainer.compiled.optimizer
    if spec.owner is None:
        _set_own(optimizer, spec.slot, value)
    elif spec.slot == "average":
        trainer.averages[spec.owner] = value
    else:
        start = [np.full(spec.shape, first, np.float32) for first in optimizer.kept().values()]
        trainer.slots.setdefault(spec.owner, start)[list(optimizer.kept()).index(spec.slot)] = value


def variables_of(optimizer: Optimizer) -> list[Variable]:
    """The variables of an optimizer in Keras's order; without a network only steps and learning rate."""
    trainer = optimizer.trainer
    own = [VariableSpec(None, "iteration", ())]
    if isinstance(optimizer._learning_rate, float):
        own.append(VariableSpec(None, "learning_rate", ()))
    found = own if trainer is None else variable_specs(trainer.network, optimizer, Layout.KERAS_3)

    def variable(spec: VariableSpec) -> Variable:
        name = spec.slot if spec.owner is None else f"{spec.owner[0].name}_{spec.owner[1]}_{spec.slot}"
        if spec.owner is None:
            read, write = partial(_own, optimizer, spec.slot), partial(_set_own, optimizer, spec.slot)
        else:
            read, write = partial(value_of, trainer, spec), partial(set_value, trainer, spec)
        return Variable(f"{optimizer.name}/{name}", read, write)

    return [variable(spec) for spec in found]


def named_state(trainer: Trainer) -> dict[str, Array]:
    """The variables for ``optimizer_weights`` of a ``.h5`` file of tf_keras, which reads them in order."""
    optimizer = trainer.compiled.optimizer
    found = variable_specs(trainer.network, optimizer, Layout.TF_KERAS)
    names = [
        "iteration:0"
        if spec.owner is None
        else f"{optimizer.name}/{spec.slot}/{index}/{spec.owner[0].name}/{spec.owner[1]}:0"
        for index, spec in enumerate(found)
    ]
    return dict(zip(names, state_of(trainer, Layout.TF_KERAS), strict=True))


def _own(optimizer: Optimizer, name: str) -> Array:
    if name == "iteration":
        return np.array(optimizer.steps, np.int32)
    if name == "learning_rate":
        return np.array(optimizer.learning_rate, np.float32)
    # The product of Nadam's momenta over the steps, in float32 as in Keras.
    beta, one, half, decay = (np.float32(x) for x in (getattr(optimizer, "beta_1", 0.9), 1, 0.5, 0.96))
    steps = np.arange(1, optimizer.iterations + 1, dtype=np.float32)
    return np.array(np.prod(beta * (one - half * decay**steps), dtype=np.float32), np.float32)


def _set_own(optimizer: Optimizer, name: str, value: Array) -> None:
    if name == "iteration":
        optimizer.steps = int(value)
    elif name == "learning_rate":
        optimizer.learning_rate = float(value)
    # Nadam's product follows from the number of steps.


def restore(trainer: Trainer, arrays: Sequence[Array], layout: Layout) -> None:
    """Set a trainer's optimizer variables from a file.

    Args:
        trainer: of the compiled network; only its optimizer's state changes.
        arrays: in the order of the layout.
        layout: of the file.

    Raises:
        FileFormatError: they do not fit this optimizer and network, or are not finite.
    """
    optimizer = trainer.compiled.optimizer
    fitting = variable_specs(trainer.network, optimizer, layout)
    beginning = fitting[: len(arrays)]
    if all(spec.owner is None for spec in beginning) and not any(np.any(a) for a in arrays[:1]):
        fitting = beginning  # Keras creates slots at the first step
    if not arrays or [p.shape for p in fitting] != [tuple(a.shape) for a in arrays]:
        raise FileFormatError(
            f"the file holds {len(arrays)} variables of the optimizer {optimizer.name!r}, where this network has "
            f"{len(fitting)}, or they have other shapes"
        )
    if not all(np.isfinite(a).all() for a in arrays):
        raise FileFormatError(f"the variables of the optimizer {optimizer.name!r} are not all finite")
    if not 0 <= int(arrays[0]) < MAX_STEPS:
        raise FileFormatError(f"the optimizer {optimizer.name!r} cannot have made {int(arrays[0])} steps")
    order = list(optimizer.kept())
    slots: dict[Owner, list[Array]] = {}
    averages: dict[Owner, Array] = {}
    for spec, value in zip(fitting, arrays, strict=True):
        if spec.owner is None or spec.slot not in ("average", *order):
            continue
        single = np.ascontiguousarray(value, np.float32).reshape(spec.shape)
        if spec.slot == "average":
            averages[spec.owner] = single
        else:
            slots.setdefault(spec.owner, [single] * len(order))[order.index(spec.slot)] = single
    trainer.slots, trainer.averages = slots, averages
    optimizer.steps = int(arrays[0])
    if any(spec.slot == "learning_rate" for spec in fitting):
        optimizer.learning_rate = float(arrays[1])
