"""A network as data: inputs, steps and outputs, from which live Keras builds it, and which can be cut smaller."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

Shape = tuple[int | None, ...]


@dataclass(frozen=True)
class Source:
    """An input: its shape as the network knows it, and the sizes that the data have."""

    name: str
    shape: Shape
    sizes: tuple[int, ...]
    tokens: int | None = None
    """The data are whole numbers below this."""
    padded: bool = False
    """Some steps of each row are 0, for masks."""


@dataclass(frozen=True)
class Step:
    """A call of a layer. A value is named by its step, and as ``step:1`` if the step gives several."""

    name: str
    class_name: str
    config: dict[str, Any] = field(default_factory=dict)
    """Keras's settings; a layer among them is ``{"class_name": ..., "config": ...}``, a network a `Recipe`."""
    values: tuple[str, ...] = ()
    arguments: dict[str, Any] = field(default_factory=dict)
    """Further arguments of the call; ``@name`` is a value."""
    same_as: str = ""
    """The step whose layer is called again."""


@dataclass(frozen=True)
class Recipe:
    inputs: tuple[Source, ...]
    steps: tuple[Step, ...]
    outputs: tuple[str, ...]


SEVERAL = ("MultiHeadAttention", "GroupQueryAttention")
"""Layers that are called on several tensors, and not on a list of them."""


def used(value: Any) -> Iterator[str]:
    """The names of values in the arguments of a call."""
    if isinstance(value, dict | list | tuple):
        for part in value.values() if isinstance(value, dict) else value:
            yield from used(part)
    elif isinstance(value, str) and value.startswith("@"):
        yield value[1:]


def reads(step: Step) -> tuple[str, ...]:
    return (*step.values, *used(step.arguments))


def layers_in(value: Any) -> Iterator[str]:
    """The class names of all layers of a recipe, those inside of others too."""
    if isinstance(value, Recipe):
        for step in value.steps:
            yield from layers_in({"class_name": step.class_name, "config": step.config})
    elif isinstance(value, dict):
        if "class_name" in value:
            yield value["class_name"]
        for part in value.values():
            yield from layers_in(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from layers_in(part)


def without_unused(recipe: Recipe) -> Recipe:
    """Only the steps and inputs that an output depends on."""
    needed = {name.split(":")[0] for name in recipe.outputs}
    kept = []
    for step in reversed(recipe.steps):
        if step.name in needed:
            kept.append(step)
            needed |= {name.split(":")[0] for name in reads(step)} | ({step.same_as} - {""})
    inputs = tuple(source for source in recipe.inputs if source.name in needed)
    return Recipe(inputs, tuple(reversed(kept)), recipe.outputs)


def live_layer(value: Any) -> Any:
    """Settings with their layers and networks made live."""
    import keras

    if isinstance(value, Recipe):
        return build(value)
    if isinstance(value, list | tuple):
        return type(value)(live_layer(part) for part in value)
    if not isinstance(value, dict):
        return value
    if value.get("class_name") == "Model":
        return build(value["config"]["network"], value["config"].get("name"))
    settings = {key: live_layer(part) for key, part in value.items()}
    if "class_name" not in value:
        return settings
    return getattr(keras.layers, value["class_name"])(**settings["config"])


class Builder:
    """Builds a network of live Keras step by step; ``values`` has its symbolic tensors by name."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.layers: dict[str, Any] = {}

    def add_input(self, source: Source) -> None:
        import keras

        dtype = "float32" if source.tokens is None else "int32"
        self.values[source.name] = keras.Input(source.shape, dtype=dtype, name=source.name)

    def argument(self, value: Any) -> Any:
        if isinstance(value, list | tuple):
            return [self.argument(part) for part in value]
        return self.values[value[1:]] if isinstance(value, str) and value.startswith("@") else value

    def add(self, step: Step) -> list[str]:
        """Call the step's layer; gives the names of its results."""
        if step.same_as:
            layer = self.layers[step.same_as]
        else:
            layer = live_layer({"class_name": step.class_name, "config": step.config | {"name": step.name}})
        given = [self.values[name] for name in step.values]
        arguments = {key: self.argument(value) for key, value in step.arguments.items()}
        several = len(given) == 1 or step.class_name in SEVERAL
        result = layer(*given, **arguments) if several else layer(given, **arguments)
        self.layers[step.name] = layer
        results = list(result) if isinstance(result, list | tuple) else [result]
        names = [step.name, *(f"{step.name}:{i}" for i in range(1, len(results)))]
        self.values |= dict(zip(names, results, strict=True))
        return names


def build(recipe: Recipe, name: str | None = None) -> Any:
    """The recipe as a live ``keras.Model``."""
    import keras

    builder = Builder()
    for source in recipe.inputs:
        builder.add_input(source)
    for step in recipe.steps:
        builder.add(step)
    inputs = [builder.values[source.name] for source in recipe.inputs]
    outputs = [builder.values[name] for name in recipe.outputs]
    one_in, one_out = len(inputs) == 1, len(outputs) == 1
    return keras.Model(inputs[0] if one_in else inputs, outputs[0] if one_out else outputs, name=name)
