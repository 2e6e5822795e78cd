"""Layers made of other layers, whose weights are theirs too."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, Self

from foldnet.arrays import Array
from foldnet.errors import NotYetError
from foldnet.layers.base import Layer
from foldnet.layers.tensors import Shape
from foldnet.layers.weight import Weight, WeightSpec, distinct


class Composite(Layer):
    """Base class of layers made of other layers, their parts, which are created when shapes are known.

    A part's weights belong to the whole layer, under names such as ``query/kernel``.
    """

    def __init__(self, **kwargs: Any) -> None:
        self._trainable = True
        self._parts: dict[str, Layer] = {}
        super().__init__(**kwargs)

    def make_parts(self, *input_shapes: Shape) -> Mapping[str, tuple[Layer, Shape]]:
        """The parts in the order in which Keras creates them, each with the shape of its input.

        They have the names of the attributes in Keras, which files use.
        """
        raise TypeError(f"{type(self).__name__} has no parts")  # every subclass defines it

    def build(self, *input_shapes: Shape, input_shape: Shape | None = None) -> None:
        """Create the parts and their weights; later calls must need the same shapes.

        Raises:
            ConfigError: the settings do not fit the shapes, or a shared layer would need other weights.
        """
        input_shapes = input_shapes if input_shape is None else (tuple(input_shape),)
        made = self.make_parts(*input_shapes)
        for key, (part, shape) in made.items():
            part.build(shape)
            if key not in self._parts and not self._trainable:
                part.trainable = False
        super().build(*input_shapes)
        if not self._parts:
            self._parts = {key: part for key, (part, _) in made.items()}
            self._own_parts()

    def weight_specs(self, *input_shapes: Shape) -> Sequence[WeightSpec]:
        """The weights of all parts."""
        return [
            WeightSpec(f"{part.name}/{spec.name}", spec.shape, spec.initializer, spec.trainable)
            for part, shape in self.make_parts(*input_shapes).values()
            for spec in part.weight_specs(shape)
        ]

    def _own_parts(self) -> None:
        for part in self._parts.values():
            part.part_of = self

    def __copy__(self) -> Self:
        # The parts' weights belong to this layer, so a copy gets copies of the parts.
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        parts = {key: copy.copy(part) for key, part in self._parts.items()}
        for key, part in parts.items():
            if not part.inner_layers:
                part._values = {**self._parts[key].named_weights}
        # What the layer computes with are its attributes, a cell for example: they are the copies, too.
        copies = {id(part): parts[key] for key, part in self._parts.items()}
        for name, value in vars(self).items():
            if isinstance(value, list):
                other.__dict__[name] = [copies.get(id(v), v) for v in value]
            elif id(value) in copies:
                other.__dict__[name] = copies[id(value)]
        other.__dict__.update(_parts=parts, _values={})
        other._own_parts()
        return other

    @property
    def inner_layers(self) -> Mapping[str, Layer]:
        """The parts by their names in files."""
        return self._parts

    @property
    def own_specs(self) -> tuple[WeightSpec, ...]:
        """None: all weights are those of the parts."""
        return ()

    @property
    def stored_specs(self) -> tuple[WeightSpec, ...]:
        """None: files store the weights with the parts."""
        return ()

    @property
    def weights(self) -> list[Weight]:
        """All weights, part by part."""
        return distinct(Weight(self, spec.name) for spec in self.specs)

    @property
    def trainable(self) -> bool:
        """Whether training may change the weights; setting it also sets the parts'."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = value
        for part in self._parts.values():
            part.trainable = value

    def part(self, name: str) -> Layer:
        """A part by its name.

        Raises:
            NotYetError: the layer is not built.
        """
        found = next((part for part in self._parts.values() if part.name == name), None)
        if found is None:
            raise NotYetError(
                f"layer {self.name!r} has no part {name!r}"
                if self.built
                else f"layer {self.name!r} has not been called yet, so it has no parts; call it on an "
                "Input or on arrays, or build it"
            )
        return found

    def _part(self, name: str) -> tuple[Layer, str]:
        """The part that has a weight, and the weight's name there."""
        part = next(p for p in self._parts.values() if name.startswith(f"{p.name}/"))
        return part, name.removeprefix(f"{part.name}/")

    def trains(self, weight: str) -> bool:
        """Whether training changes a weight: neither the layer nor the part that has it is frozen."""
        part, name = self._part(weight)
        return self.trainable and part.trains(name)

    def holder_of(self, weight: str) -> tuple[Layer, str]:
        """The part of a part that has the weight."""
        part, name = self._part(weight)
        return part.holder_of(name)

    def _weight(self, spec: WeightSpec) -> Array:
        part, name = self._part(spec.name)
        return part.named_weights[name]

    def set_weight(self, name: str, value: object) -> None:
        """Set one weight.

        Raises:
            InputError: unknown weight, or wrong shape.
        """
        super().set_weight(name, value)
        part, weight = self._part(name)
        part.set_weight(weight, self._values.pop(name))
