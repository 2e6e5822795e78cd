"""A random network of a seed: inputs of any kind, layers on them, joined, nested and shared."""

from __future__ import annotations

from collections import Counter
from math import prod

from tests.soak.draw import Dice, Shape, settings_of
from tests.soak.joining import JOINING
from tests.soak.recipe import Builder, Recipe, Source, Step, reads, without_unused
from tests.soak.tables import ANYWHERE, BY_RANK, TOKENS, backward_layer

LARGEST = 1500
"""Elements of a row's value."""
OF_ITS_KIND = 0.6
"""How often a layer is one that only such a value takes."""
LIMIT = 12
"""Below this are the tokens."""


def _sizes(dice: Dice, kind: str) -> tuple[int, ...]:
    channels = dice.choice([1, 2, 3, 4, 6])
    return {
        "flat": (dice.randint(1, 8),),
        "sequence": (dice.randint(3, 9), channels),
        "image": (dice.randint(4, 9), dice.randint(4, 9), channels),
        "volume": (dice.randint(3, 5), dice.randint(3, 5), dice.randint(3, 5), min(channels, 3)),
        "tokens": (dice.randint(3, 8),),
    }[kind]


KINDS = ["flat", "flat", "sequence", "sequence", "sequence", "image", "image", "volume", "tokens"]


def source(dice: Dice, number: int) -> Source:
    """An input of a random kind; the length of a sequence, and the sides of an image, may be free."""
    kind = dice.choice(KINDS)
    sizes = _sizes(dice, kind)
    shape: Shape = sizes
    if kind in ("sequence", "tokens", "image") and dice.often(0.3):
        shape = (*(None for _ in sizes[:-1]), sizes[-1]) if kind != "tokens" else (None,)
    padded = kind in ("sequence", "tokens") and dice.often(0.6)
    return Source(f"in{number}", shape, sizes, LIMIT if kind == "tokens" else None, padded)


class Grower:
    """Adds steps, as live Keras accepts them; what it refuses is dropped and counted."""

    def __init__(self, seed: int, depth: int = 0) -> None:
        self.dice = Dice(seed)
        self.depth = depth
        self.builder = Builder()
        self.inputs: list[Source] = []
        self.steps: list[Step] = []
        self.names: list[str] = []
        self.dropped: Counter[str] = Counter()

    def add_input(self, given: Source) -> None:
        self.builder.add_input(given)
        self.inputs.append(given)
        self.names.append(given.name)

    def shape(self, name: str) -> Shape:
        return tuple(self.builder.values[name].shape[1:])

    def is_float(self, name: str) -> bool:
        return "float" in str(self.builder.values[name].dtype)

    def attempt(self, step: Step) -> bool:
        """Add a step, unless Keras refuses it or its result is too large."""
        before = dict(self.builder.values)
        try:
            names = self.builder.add(step)
            shapes = [self.shape(name) for name in names]
        except Exception as error:
            self.builder.values = before
            self.dropped[f"{step.class_name}: {type(error).__name__}"] += 1
            return False
        large = any(prod(n or 9 for n in s) > LARGEST or len(s) > 4 or 0 in s for s in shapes)
        if large or not all("float" in str(self.builder.values[n].dtype) or ":" in n for n in names):
            self.builder.values = before
            return False
        self.steps.append(step)
        self.names += [name for name in names if self.shape(name)]
        return True

    def pick(self) -> str:
        """A value to go on from, more often a late one."""
        return self.names[max(self.dice.randrange(len(self.names)) for _ in range(3))]

    def on_one(self) -> Step | None:
        name = self.pick()
        shape = self.shape(name)
        table = BY_RANK.get(len(shape) + 1, {}) if self.is_float(name) else TOKENS
        if not table:
            return None
        own = [entry for entry in table if entry not in ANYWHERE]
        entry = self.dice.choice(own if self.dice.often(OF_ITS_KIND) else list(table))
        kind = entry.strip()
        config = settings_of(kind, table[entry], self.dice, shape)
        if kind == "Bidirectional" and config["layer"]["class_name"] != "RNN" and self.dice.often(0.2):
            config["backward_layer"] = backward_layer(self.dice, config["layer"])
        return Step(self.fresh(), kind, config, (name,))

    def on_several(self) -> Step | None:
        values = {name: self.shape(name) for name in self.names if self.is_float(name)}
        found = self.dice.choice(JOINING)(self.dice, values) if values else None
        if found is None:
            return None
        kind, config, chosen, arguments = found
        return Step(self.fresh(), kind, config, chosen, arguments)

    def again(self) -> Step | None:
        """A layer that is there already, called on another value."""
        callable_again = [s for s in self.steps if len(s.values) == 1 and not s.same_as and not s.arguments]
        if not callable_again:
            return None
        step = self.dice.choice(callable_again)
        shape = self.shape(step.values[0])
        fitting = [
            n
            for n in self.names
            if self.shape(n) == shape and self.is_float(n) == self.is_float(step.values[0])
        ]
        return Step(self.fresh(), step.class_name, {}, (self.dice.choice(fitting),), same_as=step.name)

    def nested(self, of_each_step: bool = False) -> Step | None:
        """A network of its own as a layer, or for each step of a sequence."""
        name = self.pick()
        shape = self.shape(name)[int(of_each_step) :]
        if self.depth or not self.is_float(name) or not shape:
            return None
        inner = Grower(self.dice.randrange(1 << 30), depth=1)
        inner.add_input(Source("inner", shape, tuple(n or 5 for n in shape)))
        inner.grow(self.dice.randint(1, 3))
        if not inner.steps:
            return None
        network = {"network": inner.recipe(1)}
        if of_each_step:
            layer = {"class_name": "Model", "config": network}
            return Step(self.fresh(), "TimeDistributed", {"layer": layer}, (name,))
        return Step(self.fresh(), "Model", network, (name,))

    def each_step(self) -> Step | None:
        return self.nested(of_each_step=True)

    def fresh(self) -> str:
        return f"s{len(self.steps)}"

    def grow(self, steps: int) -> None:
        ways = [self.on_one] * 7 + [self.on_several] * 3 + [self.again, self.nested, self.each_step]
        for _ in range(12 * steps):
            if len(self.steps) >= steps:
                return
            step = self.dice.choice(ways)()
            if step is not None:
                self.attempt(step)

    def recipe(self, outputs: int = 3) -> Recipe:
        """The network so far, with some of the values that nobody reads as its outputs."""
        read = {name for step in self.steps for name in reads(step)}
        ends = [n for n in self.names if n not in read and n not in {s.name for s in self.inputs}]
        ends = ends[-outputs:] or self.names[-1:]
        return without_unused(Recipe(tuple(self.inputs), tuple(self.steps), tuple(ends)))


def network(seed: int) -> Recipe:
    """The random network of a seed: always the same."""
    grower = Grower(seed)
    for number in range(grower.dice.choice([1, 1, 1, 2, 2, 3])):
        grower.add_input(source(grower.dice, number))
    grower.grow(grower.dice.randint(2, 9))
    return grower.recipe()
