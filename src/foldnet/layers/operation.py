"""Operations between layers: ``x + 1``, ``x[:, 0]``, ``ops.mean(x, axis=1)`` on symbolic tensors.

An operation is a function of ``foldnet.ops`` with its settings, as Keras stores it in files. To lower it, the
function is called on expressions of the program.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from foldnet import activations
from foldnet.errors import ConfigError, FoldnetError, UnsupportedError
from foldnet.graph.op import INT
from foldnet.layers.base import Layer
from foldnet.layers.core import named_activation
from foldnet.layers.tensors import Call, SymbolicTensor
from foldnet.layers.traits import Ending
from foldnet.naming import snake_case, unique_name
from foldnet.operations.structure.op import Cast

if TYPE_CHECKING:
    from foldnet.graph.graph import GraphBuilder
    from foldnet.lowering.lower import Lowering
    from foldnet.ops.records import Record


class Operation(Layer):
    """A function of ``foldnet.ops`` as a step of a network; it has no weights and is not in ``model.layers``.

    Args:
        record: the function's record.
        settings: the arguments that belong to the operation, not to a call.
        name: by default the name of Keras's class in snake case, numbered as Keras numbers it.
    """

    is_operation = True

    def __init__(self, record: Record, settings: Mapping[str, Any], name: str | None = None) -> None:
        super().__init__(name=name or unique_name(snake_case(record.keras_class)))
        self.record = record
        self.settings = dict(settings)

    def get_config(self) -> dict[str, Any]:
        """Name and settings, as Keras writes them."""
        return {"name": self.name, **self.settings}

    @property
    def ends_with(self) -> Ending | None:
        """The function, if it is an activation."""
        function = activations.FUNCTIONS.get(self.record.name)
        return None if function is None else named_activation(functools.partial(function, **self.settings))

    def copy(self) -> Operation:
        """The same operation, without calls."""
        return Operation(self.record, self.settings, self.name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the operation on symbolic tensors and return the symbolic result, or a list of results.

        Args:
            args: the function's arguments other than settings: tensors, lists of them, and constants.
            kwargs: the same by name.
        """
        if kwargs:
            names = [p.name for p in self.record.parameters() if p.name not in self.settings]
            args = (*args, *(kwargs.pop(n, None) for n in names[len(args) :] if n in kwargs))
        tensors = _tensors(args)
        if kwargs or not tensors:
            raise ConfigError(f"the operation {self.name!r} is called on symbolic tensors, by place")
        call = Call(self, tuple(tensors), arguments=args)
        results, many = self._traced(tensors, args)
        call.outputs = tuple(SymbolicTensor(s, d, call, i) for i, (s, d) in enumerate(results))
        self.calls.append(call)
        return list(call.outputs) if many else call.outputs[0]

    def _traced(
        self, tensors: Sequence[SymbolicTensor], args: Sequence[Any]
    ) -> tuple[list[tuple[Any, str]], bool]:
        """Shape and dtype of each result, found by tracing the function with symbolic values."""
        from foldnet.graph.graph import GraphBuilder

        b = GraphBuilder()
        values: dict[SymbolicTensor, str | None] = {
            t: b.input("x", (None, *t.shape[1:]), "int" if _is_whole(t.dtype) else "float") for t in tensors
        }
        results, many = self._computed(b, args, values)
        # A known batch size is kept.
        rows = next((t.shape[0] for t in tensors if t.shape and t.shape[0] is not None), None)
        return [((rows, *r.shape[1:]), r.dtype) for r in results], many

    def spec_of_call(self, call: Call, known: Mapping[SymbolicTensor, SymbolicTensor]) -> Any:
        """The result that one of its calls would have on other tensors, with the same constants."""
        tensors = [known[t] for t in call.inputs]
        results, many = self._traced(tensors, mapped(known.__getitem__, list(call.arguments)))
        specs = [SymbolicTensor(shape, dtype) for shape, dtype in results]
        return specs if many else specs[0]

    def lower_call(
        self, b: GraphBuilder, call: Call, values: Mapping[SymbolicTensor, str | None]
    ) -> tuple[str, ...]:
        """Emit a call's nodes; return the names of its results.

        Raises:
            UnsupportedError: an argument is a missing optional input, and the function needs it.
        """
        absent = next((t for t in call.inputs if values[t] is None), None)
        try:
            return tuple(r.value for r in self._computed(b, call.arguments, values)[0])
        except (FoldnetError, TypeError, AttributeError, ValueError) as error:
            if absent is None:
                raise
            raise UnsupportedError(
                f"the operation {self.name!r} is computed from the input {absent.name!r}, which is None, and "
                f"ops.{self.record.name} needs a value there"
            ) from error

    def lower(self, b: Lowering, *inputs: str) -> str:
        """The first result of the first call, computed from these inputs."""
        call = self._first_call()
        return self.lower_call(b, call, dict(zip(call.inputs, inputs, strict=True)))[0]

    def _computed(
        self, b: GraphBuilder, args: Sequence[Any], values: Mapping[SymbolicTensor, str | None]
    ) -> tuple[list[Any], bool]:
        from foldnet.operations.expression import Expression, Kind, emitted

        def expression(t: SymbolicTensor) -> Expression | None:
            dtype: Kind = "int32" if _is_whole(t.dtype) else "bool" if t.dtype == "bool" else "float32"
            value = values[t]
            return None if value is None else Expression(b, value, dtype, in_network=True)

        names = [p for p in self.record.parameters() if p.name not in self.record.settings]
        given = [mapped(expression, a) for a in args]
        if names and names[0].kind is inspect.Parameter.VAR_POSITIONAL:
            ahead = [self.settings[s] for s in self.record.settings]  # such as einsum's subscripts
            found = self.record.function(*ahead, *given)
        else:
            found = self.record.function(
                **dict(zip((p.name for p in names), given, strict=False)), **self.settings
            )
        many = isinstance(found, list | tuple)
        results = [
            emitted(Cast(INT), r, dtype="int32") if r.dtype == "int32" and not r.is_int else r
            for r in (found if many else [found])
        ]
        return results, many


def _is_whole(dtype: str) -> bool:
    return dtype.startswith(("int", "uint"))


def _tensors(value: Any) -> list[SymbolicTensor]:
    if isinstance(value, list | tuple):
        return [t for item in value for t in _tensors(item)]
    return [value] if isinstance(value, SymbolicTensor) else []


def mapped(function: Callable[[SymbolicTensor], Any], value: Any) -> Any:
    """Apply a function to every symbolic tensor in a structure of arguments."""
    if isinstance(value, list | tuple):
        items = [mapped(function, item) for item in value]
        return items if isinstance(value, list) else tuple(items)
    return function(value) if isinstance(value, SymbolicTensor) else value


def symbolic_call(record: Record, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """Call a function of ``foldnet.ops`` on symbolic tensors, which makes a new operation.

    Raises:
        ConfigError: arguments that the function does not take, or shapes that do not fit.
    """
    try:
        bound = inspect.signature(record.function).bind(*args, **kwargs)
    except TypeError as error:
        raise ConfigError(f"ops.{record.name}: {error}") from None
    given = list(bound.arguments)
    bound.apply_defaults()
    settings = {name: bound.arguments[name] for name in record.settings}
    if found := [name for name, value in settings.items() if _tensors(value)]:
        raise ConfigError(
            f"ops.{record.name} takes a constant as {found[0]}, and was given a symbolic tensor"
        )
    call: list[Any] = []
    for parameter in record.parameters():
        if parameter.name in record.settings or parameter.kind is parameter.VAR_KEYWORD:
            continue
        if parameter.kind is parameter.VAR_POSITIONAL:
            call += bound.arguments[parameter.name]
        elif parameter.name in given or parameter.default is parameter.empty:
            call.append(bound.arguments[parameter.name])
        else:
            call.append(parameter.default)
    while len(call) > 1 and call[-1] is None:
        call.pop()
    return Operation(record, settings)(*call)
