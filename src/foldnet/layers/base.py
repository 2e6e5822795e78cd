"""Layer: settings, weights, shapes, and how it is lowered to a graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from foldnet.arrays import Array
from foldnet.errors import ConfigError, InputError, NotYetError, UnsupportedError
from foldnet.escaping import escaped_name
from foldnet.layers.configured import Configured, unknown_arguments_error
from foldnet.layers.dtypes import policy_name
from foldnet.layers.refusals import INSTEAD, refuse_code
from foldnet.layers.tensors import Call, Shape, SymbolicTensor
from foldnet.layers.traits import Traits
from foldnet.layers.weight import Weight, WeightSpec
from foldnet.naming import check_rename, snake_case, unique_name
from foldnet.setting_types import COUNT, SHAPE
from foldnet.signatures import given_to
from foldnet.structure import flatten

if TYPE_CHECKING:
    from foldnet.lowering.lower import Lowering

NAMED = 10
"""How many weights an error names."""


class Layer(Traits, Configured):
    """Base class of all layers.

    A subclass takes Keras's arguments under Keras's names and stores each as an attribute of that name (so that
    ``get_config`` can find it). ``kinds`` says which values each may have. Its meaning is defined by
    ``weight_specs``, ``compute_output_shape`` and ``lower``, and by its ``Traits``.

    Args:
        name: by default the class name in snake case, numbered as Keras numbers it.
        trainable: whether training may change the trainable weights.
        dtype: the dtype policy, by name or in Keras's stored form.
        input_shape: shape of one row; for the first layer of a ``Sequential``.
    """

    own_arguments: ClassVar[frozenset[str]] = frozenset()
    """Arguments of calls in addition to ``training``, ``mask`` and tensors."""
    tensor_arguments: ClassVar[tuple[str, ...]] = ("inputs",)
    """Arguments of calls that are tensors or lists of them, in Keras's order; the first is the layer's input."""
    mask_arguments: ClassVar[frozenset[str]] = frozenset()
    """Those of them that are masks: their shapes are not handed to ``compute_output_shape``."""
    absent_weights: ClassVar[frozenset[str]] = frozenset({"bias", "gamma", "beta"})
    """Weights that are None on a built layer if its settings leave them out, as in Keras."""

    supports_masking: bool = False
    """Whether the input's mask is passed on with the result, as in Keras."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """An empty layer that knows which arguments it is made with."""
        layer = super().__new__(cls)
        layer.__dict__["given_settings"] = given_to(cls.__init__, args, kwargs)
        return layer

    def __init__(
        self,
        *,
        name: str | None = None,
        trainable: bool = True,
        dtype: Any = None,
        input_shape: Sequence[int | None] | None = None,
        input_dim: int | None = None,
        batch_input_shape: Sequence[int | None] | None = None,
        activity_regularizer: Any = None,
        autocast: bool = True,
        **unknown: Any,
    ) -> None:
        refuse_code(type(self))
        self.name = unique_name(snake_case(self._keras_name())) if name is None else name
        if unknown:
            raise unknown_arguments_error(self, unknown)
        self.trainable = trainable
        try:
            self.dtype_policy = policy_name(dtype)
        except ConfigError as error:
            raise ConfigError(f"{self.described()}: {error}") from None
        self.dtype = "float32" if self.dtype_policy.startswith("mixed") else self.dtype_policy
        self.activity_regularizer = activity_regularizer
        self.autocast = autocast
        self.calls: list[Call] = []
        self.activity_losses: list[float] = []
        self._specs: tuple[WeightSpec, ...] | None = None
        self._values: dict[str, Array] = {}
        if input_dim is not None:
            input_shape = (COUNT(input_dim, self.described(), "input_dim"),)
        if batch_input_shape is not None:
            input_shape = SHAPE(batch_input_shape, self.described(), "batch_input_shape")[1:]
        self.declared_input_shape: Shape | None = None
        if input_shape is not None:
            self.declared_input_shape = (None, *SHAPE(input_shape, self.described(), "input_shape"))

    @classmethod
    def _keras_name(cls) -> str:
        """The name of the class in Keras, after which layers and groups of weights are named."""
        return cls.__name__

    # -- what a subclass defines ------------------------------------------------------------------------------

    def weight_specs(self, *input_shapes: Shape) -> Sequence[WeightSpec]:
        """The weights for inputs of these shapes, in the order in which Keras creates them."""
        return ()

    def compute_output_shape(self, *input_shapes: Shape) -> Shape:
        """Shape of the result, batch axis first."""
        return input_shapes[0]

    def compute_output_spec(self, *inputs: Any, **kwargs: Any) -> Any:
        """Shape and dtype of the result for symbolic tensors, without calling the layer."""
        if len(self.tensor_arguments) == 1:
            inputs = (list(inputs),)
        call = self._call_on(*self._by_argument(inputs, kwargs))
        self._make_outputs(call)
        return self._wrap_outputs(call)

    def spec_of_call(self, call: Call, known: Mapping[SymbolicTensor, SymbolicTensor]) -> Any:
        """The result that one of its calls would have on other tensors, without making that call.

        Args:
            call: of this layer.
            known: for each tensor of the call, the other one.
        """
        return self.compute_output_spec(*call.arguments_with(known).values())

    def other_output_shapes(self, call: Call) -> Sequence[Shape]:
        """Shapes of the results after the first, for a call that returns several; they are floats."""
        return ()

    def compute_output_dtype(self, *input_dtypes: str) -> str:
        """Dtype of the result: ``"float32"`` (the default) or an integer dtype."""
        return "float32"

    def output_mask(self, *masked: bool) -> bool:
        """Whether the result has a mask, given which inputs have one, as in Keras.

        Masks come from ``Masking``, ``Embedding(mask_zero=True)``, and calls with ``mask=``. A layer whose
        result depends on a mask gets it by ``Lowering.mask``.
        """
        return self.supports_masking and any(masked)

    def lower_mask(self, b: Lowering, inputs: Sequence[str], masks: Sequence[str | None]) -> str:
        """Emit the mask of the result, if ``output_mask`` says there is one.

        A mask is 1 where a position counts and 0 where it does not, in the data's shape without its last
        axis. By default it is the first input mask.

        Args:
            b: to emit into.
            inputs: the layer's inputs.
            masks: each input's mask, or None.
        """
        return next(m for m in masks if m is not None)

    def read_mask(self, b: Lowering, value: str) -> str:
        """Emit the mask given to a call as ``mask=``; by default a position counts where it is not 0."""
        from foldnet.layers.masking import not_zero

        return not_zero(b, self, b.float(value))

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The mask of the result for arrays: Keras's method of the same name.

        Args:
            inputs: an array, or a list of them.
            mask: the mask of each input, or None.

        Returns:
            A bool array, or None.
        """
        return mask

    def differs_in_training(self) -> bool:
        """Whether a call with ``training=True`` computes something else than at prediction time."""
        return False

    def lower(self, b: Lowering, *inputs: str) -> str:
        """Emit the ops that compute this layer from the named inputs; return the name of the result."""
        raise UnsupportedError(f"layer {self.name!r}: {type(self).__name__} must define how it is computed")

    def lower_all(self, b: Lowering, *inputs: str) -> Sequence[str]:
        """Emit the ops for all results of a call, for a layer that can return several."""
        return (self.lower(b, *inputs),)

    # -- weights --------------------------------------------------------------------------------------------

    @property
    def built(self) -> bool:
        """Whether the weights have shapes."""
        return self._specs is not None

    def build(self, *input_shapes: Shape, input_shape: Any = None) -> None:
        """Set the weights' shapes for inputs of these shapes; later calls must need the same shapes.

        Args:
            input_shapes: one per input, with the batch axis first.
            input_shape: Keras's name for a single input shape.

        Raises:
            ConfigError: the settings do not fit the shapes, or a shared layer would need other weights.
        """
        input_shapes = input_shapes if input_shape is None else (tuple(input_shape),)
        specs = tuple(self.weight_specs(*input_shapes))
        if self._specs is not None and [s.shape for s in specs] != [s.shape for s in self._specs]:
            raise ConfigError(
                f"layer {self.name!r} has weights of shapes {[s.shape for s in self._specs]} and was called on "
                f"{list(input_shapes)}, which would need {[s.shape for s in specs]}"
            )
        if self._specs is None:
            self._specs = specs

    @property
    def specs(self) -> tuple[WeightSpec, ...]:
        """Name, shape and kind of every weight, in Keras's order of creation."""
        return self._specs or ()

    @property
    def named_weights(self) -> dict[str, Array]:
        """Arrays by name, such as ``{"kernel": ..., "bias": ...}``, in Keras's order of creation."""
        return {spec.name: self._weight(spec) for spec in self.specs}

    def _weight(self, spec: WeightSpec) -> Array:
        if spec.name not in self._values:
            from foldnet.initializers import initialize

            self._values[spec.name] = initialize(spec.initializer, spec.shape)
        return self._values[spec.name]

    def __getstate__(self) -> dict[str, Any]:
        for spec in self.specs:
            self._weight(spec)  # initial values are drawn at first use; a copy must have the same ones
        return self.__dict__

    def set_weight(self, name: str, value: Any) -> None:
        """Set one weight.

        Raises:
            InputError: unknown weight, or wrong shape.
        """
        spec = next((s for s in self.specs if s.name == name), None)
        if spec is None:
            raise InputError(
                f"layer {self.name!r} has no weight {name!r}; it has {[s.name for s in self.specs]}"
            )
        value = np.asarray(value, dtype=np.float32)
        if value.shape != spec.shape:
            raise InputError(
                f"layer {self.name!r}: weight {name!r} has shape {spec.shape}, and was given {value.shape}"
            )
        self._values[name] = value

    def owner_of(self, weight: str) -> tuple[Layer, str]:
        """The layer that a weight belongs to, and the weight's name there."""
        whole = self.part_of
        return (self, weight) if whole is None else whole.owner_of(f"{self.name}/{weight}")

    def trains(self, weight: str) -> bool:
        """Whether training changes a weight: it can be trained, and neither the layer nor a part with it is frozen."""
        return self.trainable and any(spec.trainable for spec in self.specs if spec.name == weight)

    def holder_of(self, weight: str) -> tuple[Layer, str]:
        """The layer inside this one whose setting a weight is made by, and the weight's name there."""
        return self, weight

    @property
    def weights(self) -> list[Weight]:
        """All weights: Keras's order, trainable first."""
        every = [Weight(self, s.name) for s in self.specs]
        return [*(w for w in every if w.trainable), *(w for w in every if not w.trainable)]

    @property
    def trainable_weights(self) -> list[Weight]:
        """Weights that training changes; none when ``trainable`` is False."""
        return [w for w in self.weights if w.trainable]

    @property
    def non_trainable_weights(self) -> list[Weight]:
        """Weights that the optimizer does not change, such as moving statistics."""
        return [w for w in self.weights if not w.trainable]

    @property
    def variables(self) -> list[Weight]:
        """The weights, under Keras's other name for them."""
        return self.weights

    @property
    def trainable_variables(self) -> list[Weight]:
        """The trainable weights, under Keras's other name for them."""
        return self.trainable_weights

    @property
    def non_trainable_variables(self) -> list[Weight]:
        """The other weights, under Keras's other name for them."""
        return self.non_trainable_weights

    @property
    def losses(self) -> list[float]:
        """The layer's part of the loss: activity losses of its last call on arrays, then weight penalties."""
        of_calls = [loss for layer in self.with_inner_layers for loss in layer.activity_losses]
        return [*of_calls, *self.weight_losses()]

    def weight_losses(self) -> list[float]:
        """The penalty of each trainable weight that has a regularizer."""
        found = [(w, w.regularizer) for w in self.trainable_weights]
        return [regularizer(w.value) for w, regularizer in found if regularizer is not None]

    def count_params(self) -> int:
        """Number of weight values."""
        return sum(prod(w.shape) for w in self.weights)

    def get_weights(self) -> list[Array]:
        """Copies of all weights in the order of ``weights``."""
        return [np.array(w) for w in self.weights]

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Set all weights from arrays in the order of ``get_weights``.

        Raises:
            InputError: another number of arrays, or another shape.
        """
        own = self.weights
        if len(weights) != len(own):
            names = ", ".join([*(w.name for w in own[:NAMED]), *["..."] * (len(own) > NAMED)])
            raise InputError(
                f"layer {self.name!r} has {len(own)} weights ({names}), and was given {len(weights)}"
            )
        for weight, value in zip(own, weights, strict=True):
            weight.assign(value)

    def __setattr__(self, name: str, value: Any) -> None:
        if any(spec.name == name for spec in self.__dict__.get("_specs") or ()) and not isinstance(
            getattr(type(self), name, None), property
        ):
            self.set_weight(name, np.array(value, np.float32))
        else:
            if name == "name" and "name" in self.__dict__:
                check_rename(self, self.checked(name, value))
            super().__setattr__(name, value)

    def __getattr__(self, name: str) -> Any:
        # Only called when ordinary look-up fails: weights read as attributes, `layer.kernel`.
        if not name.startswith("_"):
            specs = self.__dict__.get("_specs")
            for spec in specs or ():
                if spec.name == name:
                    return Weight(self, name)
            if specs is not None and name in self.absent_weights:
                return None
            if isinstance(getattr(type(self), name, None), property):
                raise NotYetError(
                    f"layer {self.__dict__.get('name')!r} has not been called yet, so it has no {name}; call it on an "
                    "Input or on arrays, or build it"
                )
        raise AttributeError(
            f"{type(self).__name__} {self.__dict__.get('name', '')!r} has no attribute {name!r}"
            + INSTEAD.get(name, "")
        )

    # -- calling --------------------------------------------------------------------------------------------

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the layer on symbolic tensors and return the symbolic result, or compute it on arrays.

        Args:
            args: the result of ``Input`` or of another layer, or a list of them; or arrays. A layer with several
                arguments that are tensors takes them in Keras's order, or by name.
            kwargs: ``training``: for arrays, whether Dropout drops values and BatchNormalization uses batch statistics.

        Returns:
            The result, or a tuple of all results.

        Raises:
            ConfigError: shapes that do not fit the layer.
            InputError: neither symbolic tensors nor arrays of numbers.
            UnsupportedError: an unknown argument.
        """
        given, kwargs = self._by_argument(args, kwargs)
        known = {"training", "mask", *self.own_arguments}
        if unknown := {k for k, v in kwargs.items() if v is not None} - known:
            raise UnsupportedError(
                f"layer {self.name!r} was called with {', '.join(sorted(unknown))}; it takes "
                f"{', '.join(sorted(known | set(self.tensor_arguments[1:])))}"
            )
        tensors = [t for value in given.values() for t in flatten(value)]
        if not any(isinstance(t, SymbolicTensor) for t in tensors):
            from foldnet.use import compute_layer

            first = given.pop(self.tensor_arguments[0])
            return compute_layer(self, first, others=given, **kwargs)
        if not all(isinstance(t, SymbolicTensor) for t in tensors):
            raise InputError(f"layer {self.name!r} was called on symbolic tensors and other values together")
        call = self._call_on(given, kwargs)
        if len(call.given(self.tensor_arguments[0])) > 1 and not (
            self.joins_inputs or self.takes_states_in_list
        ):
            raise InputError(
                f"layer {self.name!r}: a {type(self).__name__} takes one input, and was called on {len(tensors)}; "
                "call it on each, or join them first, such as by Concatenate"
            )
        try:
            self.build(*(t.shape for t in call.data))
            self._make_outputs(call)
        except ConfigError as error:
            if f"layer {self.name!r}" in str(error):
                raise
            raise ConfigError(f"layer {self.name!r} ({type(self).__name__}): {error}") from None
        self.calls.append(call)
        return self._wrap_outputs(call)

    def _by_argument(
        self, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """The arguments that are tensors, in Keras's order, and the others."""
        names = self.tensor_arguments
        if len(args) > len(names):
            raise InputError(
                f"layer {self.name!r}: a {type(self).__name__} is called with {', '.join(names)}, and was given "
                f"{len(args)} arguments by place"
            )
        found = dict(zip(names, args, strict=False))
        if twice := set(found) & set(kwargs):
            raise InputError(f"layer {self.name!r} was given {', '.join(sorted(twice))} twice")
        found |= {k: v for k, v in kwargs.items() if k in names}
        if names[0] not in found:
            raise InputError(
                f"layer {self.name!r} was called without {names[0]}; call it on an Input or on arrays"
            )
        given = self.arranged({k: found[k] for k in names if found.get(k) is not None})
        return given, {k: v for k, v in kwargs.items() if k not in names}

    def _call_on(self, given: Mapping[str, Any], kwargs: Mapping[str, Any]) -> Call:
        """A call on tensors by argument, without results."""
        pairs = [(role, t) for role, value in given.items() for t in flatten(value)]
        roles, tensors = tuple(role for role, _ in pairs), tuple(t for _, t in pairs)
        return Call(self, tensors, {k: v for k, v in kwargs.items() if v is not None}, roles=roles)

    def arranged(self, given: dict[str, Any]) -> dict[str, Any]:
        """The tensors of a call by argument, where a layer takes them in more than one form."""
        return given

    def _make_outputs(self, call: Call) -> None:
        shape = self.compute_output_shape(*(t.shape for t in call.data))
        dtype = self.compute_output_dtype(*(t.dtype for t in call.data))
        others = (
            SymbolicTensor(s, "float32", call, i) for i, s in enumerate(self.other_output_shapes(call), 1)
        )
        call.outputs = (SymbolicTensor(shape, dtype, call), *others)

    def _wrap_outputs(self, call: Call) -> Any:
        return self.packed(call.outputs)

    def packed(self, results: Sequence[Any]) -> Any:
        """The results of a call as they are returned: one, or a tuple of all."""
        return results[0] if len(results) == 1 else tuple(results)

    @property
    def input(self) -> SymbolicTensor:
        """The symbolic input of the first call."""
        return self._first_call().inputs[0]

    @property
    def output(self) -> SymbolicTensor:
        """The symbolic result of the first call."""
        return self._first_call().outputs[0]

    @property
    def input_shape(self) -> Any:
        """Shape of the first call's input, batch axis first; a list for several inputs."""
        return _shapes([t.shape for t in self._first_call().inputs])

    @property
    def output_shape(self) -> Any:
        """Shape of the first call's result, batch axis first; a list for several results."""
        return _shapes([t.shape for t in self._first_call().outputs])

    def _first_call(self) -> Call:
        if not self.calls:
            raise AttributeError  # __getattr__ then raises the error with a message
        return self.calls[0]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={escaped_name(self.name)}>"


def _shapes(shapes: Sequence[Shape]) -> Any:
    return shapes[0] if len(shapes) == 1 else list(shapes)
