"""An optimizer's variables in the order in which Keras keeps them, to a file and back.

That order is: the number of steps, the learning rate (unless a schedule gives it), the moving averages of the
weights, the gradients added up for the next update, then the slots. Adam and similar optimizers have all
slots of the first weight, then all of the second; the others have the first slot of all weights, then the second slot
of all weights. Nadam ends with the product of its momenta. The order before Keras 3 was different, and that of
tf.keras up to 2.10 is another one; the shapes alone do not tell them apart.
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
LEFT_OVER = "velocity_hat"
"""The one slot of an interleaved optimizer that comes after all others."""

MAX_STEPS = 1 << 31
"""Keras counts steps in 32 bits."""


@dataclass(frozen=True)
class Place:
    """One variable: whose it is (None for the optimizer's own), which slot, and its shape."""

    owner: Owner | None
    slot: str
    shape: tuple[int, ...]


def trainable_weights(network: Network) -> list[tuple[Owner, tuple[int, ...]]]:
    """Every weight that training changes, with its shape, in the order of Keras's ``trainable_variables``."""
    found: dict[Owner, tuple[int, ...]] = {}

    def visit(inner: Network) -> None:
        for layer in inner.layers:
            if isinstance(layer, Network):
                visit(layer)
            elif layer.trainable:
                found.update({(layer, s.name): s.shape for s in layer.specs if s.trainable})

    visit(network)
    return list(found.items())


def places(network: Network, optimizer: Optimizer, layout: Layout) -> list[Place]:
    """The variables of an optimizer in the order of a generation of Keras.

    Before Keras 3 neither the learning rate nor Nadam's product is among them. In tf_keras SGD always has a
    momentum, and the oldest optimizers have neither averages nor slots weight by weight.
    """
    weights = trainable_weights(network)
    slots = list(optimizer.slots())
    new, old = layout is Layout.KERAS_3, layout is Layout.OPTIMIZER_V2
    if isinstance(optimizer, SGD) and layout is Layout.TF_KERAS:
        slots = ["momentum"]
    result = [Place(None, "iteration", ())]
    if new and isinstance(optimizer._learning_rate, float):
        result.append(Place(None, "learning_rate", ()))
    if old and isinstance(optimizer, Nadam):
        result.append(Place(None, "u_product", ()))

    def place(owner: Owner, shape: tuple[int, ...], slot: str) -> Place:
        return Place(owner, slot, shape)

    if optimizer.use_ema and not old:
        result += [place(*weight, "average") for weight in weights]
    if optimizer.gradient_accumulation_steps:
        result += [place(*weight, ACCUMULATOR) for weight in weights]
    if type(optimizer).__name__ in INTERLEAVED and not old:
        result += [place(*weight, slot) for weight in weights for slot in slots if slot != LEFT_OVER]
        slots = [slot for slot in slots if slot == LEFT_OVER]
    result += [place(*weight, slot) for slot in slots for weight in weights]
    if isinstance(optimizer, Nadam) and new:
        result.append(Place(None, "u_product", ()))
    return result


def state_of(trainer: Trainer, layout: Layout = Layout.KERAS_3) -> list[Array]:
    """The value of every variable of a trainer's optimizer; before the first step, what it starts with."""
    optimizer = trainer.compiled.optimizer
    return [value_of(trainer, place, layout) for place in places(trainer.network, optimizer, layout)]


def value_of(trainer: Trainer, place: Place, layout: Layout = Layout.KERAS_3) -> Array:
    """The value of one variable of a trainer's optimizer."""
    optimizer = trainer.compiled.optimizer
    start, order = optimizer.kept(), list(optimizer.kept())
    if place.owner is None:
        return _own(optimizer, place.slot)
    if place.slot == "average":
        given = trainer.averages.get(place.owner)
        if given is None and layout is Layout.TF_KERAS:
            # It begins with the weights, and Keras 3 with zeros.
            layer, name = place.owner
            given = layer.named_weights[name]
        return np.zeros(place.shape, np.float32) if given is None else np.asarray(given, np.float32)
    slots = trainer.slots.get(place.owner)
    if slots is None or place.slot not in order:
        return np.full(place.shape, start.get(place.slot, 0.0), np.float32)
    return np.asarray(slots[order.index(place.slot)], np.float32).reshape(place.shape)


def set_value(trainer: Trainer, place: Place, value: Array) -> None:
    """Give one variable of a trainer's optimizer its value."""
    optimizer = trainer.compiled.optimizer
    if place.owner is None:
        _set_own(optimizer, place.slot, value)
    elif place.slot == "average":
        trainer.averages[place.owner] = value
    else:
        start = [np.full(place.shape, first, np.float32) for first in optimizer.kept().values()]
        trainer.slots.setdefault(place.owner, start)[list(optimizer.kept()).index(place.slot)] = value


def variables_of(optimizer: Optimizer) -> list[Variable]:
    """The variables of an optimizer in Keras's order; before a network was compiled with it, its own numbers."""
    trainer = optimizer.trainer
    own = [Place(None, "iteration", ())]
    if isinstance(optimizer._learning_rate, float):
        own.append(Place(None, "learning_rate", ()))
    found = own if trainer is None else places(trainer.network, optimizer, Layout.KERAS_3)

    def variable(place: Place) -> Variable:
        name = place.slot if place.owner is None else f"{place.owner[0].name}_{place.owner[1]}_{place.slot}"
        if place.owner is None:
            read, write = partial(_own, optimizer, place.slot), partial(_set_own, optimizer, place.slot)
        else:
            read, write = partial(value_of, trainer, place), partial(set_value, trainer, place)
        return Variable(f"{optimizer.name}/{name}", read, write)

    return [variable(place) for place in found]


def named_state(trainer: Trainer) -> dict[str, Array]:
    """The variables as ``optimizer_weights`` of a ``.h5`` has them for tf_keras, which goes by their order."""
    optimizer = trainer.compiled.optimizer
    found = places(trainer.network, optimizer, Layout.TF_KERAS)
    names = [
        "iteration:0"
        if place.owner is None
        else f"{optimizer.name}/{place.slot}/{index}/{place.owner[0].name}/{place.owner[1]}:0"
        for index, place in enumerate(found)
    ]
    return dict(zip(names, state_of(trainer, Layout.TF_KERAS), strict=True))


def _own(optimizer: Optimizer, name: str) -> Array:
    if name == "iteration":
        return np.array(optimizer.steps, np.int32)
    if name == "learning_rate":
        return np.array(optimizer.learning_rate, np.float32)
    # Keras multiplies the momenta of Nadam's schedule up step by step, in float32.
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
    """Give a trainer's optimizer the variables that a file holds.

    Args:
        trainer: as compiled; only its optimizer's state changes.
        arrays: in the order of the layout.
        layout: of the file.

    Raises:
        FileFormatError: they are not the variables of this optimizer on this network, or not finite.
    """
    optimizer = trainer.compiled.optimizer
    fitting = places(trainer.network, optimizer, layout)
    beginning = fitting[: len(arrays)]
    if all(place.owner is None for place in beginning) and not any(np.any(a) for a in arrays[:1]):
        fitting = beginning  # before the first step Keras has made no slots
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
    for place, value in zip(fitting, arrays, strict=True):
        if place.owner is None or place.slot not in ("average", *order):
            continue
        single = np.ascontiguousarray(value, np.float32).reshape(place.shape)
        if place.slot == "average":
            averages[place.owner] = single
        else:
            slots.setdefault(place.owner, [single] * len(order))[order.index(place.slot)] = single
    trainer.slots, trainer.averages = slots, averages
    optimizer.steps = int(arrays[0])
    if any(place.slot == "learning_rate" for place in fitting):
        optimizer.learning_rate = float(arrays[1])
