"""From a network that fails to the smallest that fails in the same way."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from tests.soak.recipe import Builder, Recipe, Source, Step, reads, without_unused

Fails = Callable[[Recipe], bool]


def values_of(recipe: Recipe) -> dict[str, Any]:
    builder = Builder()
    for source in recipe.inputs:
        builder.add_input(source)
    for step in recipe.steps:
        builder.add(step)
    return builder.values


def one_output(recipe: Recipe) -> Iterator[Recipe]:
    """Each value alone as the output, the earliest first."""
    for name in [*(step.name for step in recipe.steps), *recipe.outputs]:
        if recipe.outputs != (name,):
            yield replace(recipe, outputs=(name,))


def _renamed(value: Any, old: str, new: str) -> Any:
    if isinstance(value, dict):
        return {k: _renamed(v, old, new) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_renamed(v, old, new) for v in value)
    return new if value == old else value


def reading(step: Step, old: str, new: str) -> Step:
    """The step with another value in place of one that it reads."""
    values = _renamed(step.values, old, new)
    return replace(step, values=values, arguments=_renamed(step.arguments, f"@{old}", f"@{new}"))


def _without(recipe: Recipe, gone: Step, instead: str) -> Recipe:
    steps = tuple(reading(s, gone.name, instead) for s in recipe.steps if s is not gone)
    return Recipe(recipe.inputs, steps, _renamed(recipe.outputs, gone.name, instead))


def bypassed(recipe: Recipe) -> Iterator[Recipe]:
    """Each step left out: what it reads goes on instead of its result."""
    for step in recipe.steps:
        for value in dict.fromkeys(step.values):
            yield _without(recipe, step, value)


def cut(recipe: Recipe) -> Iterator[Recipe]:
    """Each value between layers as an input, and all before it gone."""
    tensors = values_of(recipe)
    for step in reversed(recipe.steps):
        tensor = tensors[step.name]
        if step.name in recipe.outputs or "float" not in str(tensor.dtype):
            continue
        shape = tuple(tensor.shape[1:])
        for padded in (False, True) if len(shape) == 2 else (False,):
            source = Source(f"in_{step.name}", shape, tuple(n or 5 for n in shape), padded=padded)
            smaller = _without(recipe, step, source.name)
            yield replace(smaller, inputs=(*smaller.inputs, source))


def _simpler_settings(value: Any) -> Iterator[Any]:
    """A configuration with one setting left out, at any depth, or one number smaller; a list with one part less."""
    if isinstance(value, Recipe):
        yield from (r for kind in (one_output, bypassed, simpler) for r in kind(value))
    elif isinstance(value, dict):
        for key, part in value.items():
            if key not in ("class_name", "config", "network"):
                yield {k: v for k, v in value.items() if k != key}
            for smaller in _simpler_settings(part):
                yield {**value, key: smaller}
    elif isinstance(value, list):
        for i, part in enumerate(value):
            if len(value) > 1:
                yield value[:i] + value[i + 1 :]
            for smaller in _simpler_settings(part):
                yield [*value[:i], smaller, *value[i + 1 :]]
    elif isinstance(value, int) and not isinstance(value, bool) and value > 2:
        yield 2
    elif value in ("tanh", "sigmoid", "relu", "softsign", "hard_sigmoid"):
        yield "linear"


def simpler(recipe: Recipe) -> Iterator[Recipe]:
    for i, step in enumerate(recipe.steps):
        for config in _simpler_settings(step.config):
            yield replace(
                recipe, steps=(*recipe.steps[:i], replace(step, config=config), *recipe.steps[i + 1 :])
            )
        for key in step.arguments:
            arguments = {k: v for k, v in step.arguments.items() if k != key}
            smaller = replace(step, arguments=arguments)
            yield replace(recipe, steps=(*recipe.steps[:i], smaller, *recipe.steps[i + 1 :]))
        for j in range(len(step.values) if len(step.values) > 2 else 0):
            smaller = replace(step, values=step.values[:j] + step.values[j + 1 :])
            yield replace(recipe, steps=(*recipe.steps[:i], smaller, *recipe.steps[i + 1 :]))


def plainer_inputs(recipe: Recipe) -> Iterator[Recipe]:
    """Inputs of known lengths, without padding, and the same for two."""
    for i, source in enumerate(recipe.inputs):
        for plain in (replace(source, shape=source.sizes), replace(source, padded=False)):
            if plain != source:
                yield replace(recipe, inputs=(*recipe.inputs[:i], plain, *recipe.inputs[i + 1 :]))
        for other in recipe.inputs[:i]:
            steps = tuple(reading(step, source.name, other.name) for step in recipe.steps)
            yield replace(recipe, steps=steps)


KINDS = (one_output, cut, bypassed, plainer_inputs, simpler)


def shrunk(recipe: Recipe, fails: Fails, tries: int = 400) -> Recipe:
    """The smallest network found that still fails; a candidate that Keras refuses counts as one that does not."""
    left = tries
    seen = {repr(recipe)}
    smaller = True
    while smaller and left > 0:
        smaller = False
        for candidate in (without_unused(c) for kind in KINDS for c in kind(recipe)):
            if repr(candidate) in seen or not candidate.inputs:
                continue
            seen.add(repr(candidate))
            left -= 1
            if left <= 0:
                break
            if _still(candidate, fails):
                recipe, smaller = candidate, True
                break
    return recipe


def _still(recipe: Recipe, fails: Fails) -> bool:
    try:
        return fails(recipe)
    except Exception:
        return False


# -- as text --------------------------------------------------------------------------------------------------------


def _text(value: Any) -> str:
    """Settings as Python."""
    if isinstance(value, dict) and value.get("class_name") == "Model":
        return f"network_of({value['config']['network']!r})"
    if isinstance(value, dict) and "class_name" in value:
        return f"layers.{value['class_name']}({_settings(value['config'])})"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_text, value))}]"
    if isinstance(value, str) and value.startswith("@"):
        return variable(value[1:])
    return repr(value)


def _settings(config: dict[str, Any]) -> str:
    return ", ".join(f"{key}={_text(value)}" for key, value in config.items())


def variable(name: str) -> str:
    return re.sub(r"\W", "_", name)


def _line(step: Step) -> str:
    given = ", ".join(variable(name) for name in step.values)
    several = len(step.values) == 1 or step.class_name in ("MultiHeadAttention", "GroupQueryAttention")
    arguments = (
        f"{given if several else f'[{given}]'}{', ' if step.arguments else ''}{_settings(step.arguments)}"
    )
    if step.class_name == "Model" and not step.same_as:
        layer = f"network_of({step.config['network']!r})"
    else:
        layer = f"layers.{step.class_name}({_settings(step.config)})"
    return f"{variable(step.name)} = {layer if not step.same_as else f'same_layer_as_{step.same_as}'}({arguments})"


def script(recipe: Recipe, seed: int, way: str) -> str:
    """A program that compares the network again, with its layers as Keras writes them in comments."""
    lines = [f"# {s.name} = Input({s.shape}){' of whole numbers' if s.tokens else ''}" for s in recipe.inputs]
    lines += [f"# {_line(step)}" for step in recipe.steps]
    lines.append(f"# outputs: {', '.join(variable(name) for name in recipe.outputs)}")
    return "\n".join(
        [
            *lines,
            "# python - < this file, in the root of the repository",
            "from tests.soak.compare import compared",
            "from tests.soak.recipe import Recipe, Source, Step",
            "",
            f"recipe = {recipe!r}",
            f"for result in compared(recipe, {seed}, ({way!r},)):",
            "    print(result)",
        ]
    )


def size(recipe: Recipe) -> int:
    """How many values the steps of a network read."""
    return sum(1 + len(reads(step)) for step in recipe.steps)
