"""Traits: properties of layers, so that code need not test for layer classes.

Each has a default here, which layers override in their own files.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from foldnet.arrays import Array
from foldnet.layers.tensors import Shape

if TYPE_CHECKING:
    from foldnet.layers.base import Layer
    from foldnet.layers.weight import WeightSpec
    from foldnet.network import Network

Ending = tuple[str, Mapping[str, Any]]
"""Name and parameters of an activation."""
Source = Literal["batch", "data", "row"]


@dataclass(frozen=True)
class NormalizationRule:
    """How a layer normalizes inputs of some shape.

    Attributes:
        source: where the statistics come from: ``batch`` (the batch in training, moving ones at prediction time), the
            training ``data``, or each ``row`` itself.
        measure: ``deviation``: the mean is subtracted, and the standard deviation divides; ``spread``: the standard
            deviation divides; ``mean square``: its root divides; ``length``: the root of the sum of squares divides.
        axes: the ``axis`` setting, counted from the front, in order: the axes that keep separate
            statistics for ``batch`` and ``data``; those that are averaged over for ``row``; the channels for groups.
        groups: number of groups of channels; None without groups.
        epsilon: added to the variance or the mean square inside the root, or the smallest divisor.
    """

    source: Source
    measure: Literal["deviation", "spread", "mean square", "length"]
    axes: tuple[int, ...]
    epsilon: float
    groups: int | None = None


class Traits:
    """Properties of a layer.

    Attributes:
        is_input: whether it is an input of the network.
        is_operation: whether it is a function of ``foldnet.ops`` as a step between layers.
        joins_inputs: whether it can be called on several tensors.
        takes_states_in_list: whether initial states may follow its input in one list, as in Keras 2.
        takes_mask: whether a call can have ``mask=``.
        obeys_training_false: whether ``training=False`` in a stored call has an effect. Keras also writes it into calls
            of other layers.
        trains_by_default: whether Keras 3 calls it with ``training=True`` if nothing is said, and stores that in the
            call.
        spreads_mask: whether the mask of a call is broadcast to the input, as in NumPy.
        removes_masks: whether a call removes the masks of its inputs when the network runs, as Keras 3 does.
        repeats_layer: whether it hands every step to a layer or network that it holds.
        is_recurrent: whether it goes through the steps of a sequence with a state.
        is_cell: whether it is what a recurrent layer computes in a step.
        moves_values: whether it only moves values and computes nothing.
        takes_texts: whether its input may be texts.
        data_dtype: of a network's input that it is the first to read, if nobody says.
        scales_values: whether at prediction time it multiplies by and adds constants.
        features_last: whether the last axis of its result is the axis of features.
        is_random: whether it changes values at random in training.
        draws_each_step: whether every step of a TimeDistributed is changed by itself in training, with other random
            numbers.
        amount_is_rate: whether ``amount`` is a dropout rate.
        scales_at_random: whether in training it multiplies by random numbers of mean 1 and variance
            ``rate / (1 - rate)``, which keeps the mean of the values and increases their variance.
        normalizes_by: the source of its statistics; None if it does not normalize.
        part_of: the layer that its weights belong to, as those of a projection belong to an attention; None if they are
            its own.
        given_settings: the arguments that it was made with, without those that were left to their defaults; a text is
            kept as it was written. None for a part that a layer makes from its own arguments.
    """

    is_input: ClassVar[bool] = False
    is_operation: ClassVar[bool] = False
    joins_inputs: ClassVar[bool] = False
    takes_states_in_list: ClassVar[bool] = False
    takes_mask: ClassVar[bool] = False
    obeys_training_false: ClassVar[bool] = False
    trains_by_default: ClassVar[bool] = False
    spreads_mask: ClassVar[bool] = False
    removes_masks: ClassVar[bool] = False
    repeats_layer: ClassVar[bool] = False
    is_recurrent: ClassVar[bool] = False
    is_cell: ClassVar[bool] = False
    moves_values: ClassVar[bool] = False
    takes_texts: ClassVar[bool] = False
    data_dtype: ClassVar[str] = "float32"
    scales_values: ClassVar[bool] = False
    features_last: ClassVar[bool] = False
    is_random: ClassVar[bool] = False
    draws_each_step: ClassVar[bool] = False
    amount_is_rate: ClassVar[bool] = False
    scales_at_random: ClassVar[bool] = False
    normalizes_by: ClassVar[Source | None] = None
    part_of: Layer | None = None
    given_settings: Mapping[str, str | None] | None = None

    if TYPE_CHECKING:
        name: str

        @property
        def specs(self) -> tuple[WeightSpec, ...]:
            """Every weight; see ``Layer``."""

    @property
    def own_specs(self) -> tuple[WeightSpec, ...]:
        """The weights without those of a wrapped layer."""
        return self.specs

    @property
    def stored_specs(self) -> tuple[WeightSpec, ...]:
        """The weights that files store in the layer's own group."""
        return self.specs

    @property
    def inner_network(self) -> Network | None:
        """The network that it holds, whose layers have all its weights; None if it holds none."""
        return None

    @property
    def inner_layers(self) -> Mapping[str, Layer]:
        """The layers inside it, by the names under which Keras's files store their weights."""
        return {}

    @property
    def with_inner_layers(self) -> list[Layer]:
        """Itself, and the layers inside it at any depth."""
        this: Any = self
        return [this, *(found for inner in self.inner_layers.values() for found in inner.with_inner_layers)]

    def penalized(self, results: Sequence[str]) -> Sequence[str]:
        """The results of a call to which its activity regularizer applies."""
        return results

    @property
    def masked_results(self) -> int:
        """How many of its results have the mask, if its result has one."""
        return 1

    @property
    def masked_value(self) -> float | None:
        """The value whose positions it masks; None if it makes no mask, or not from a single value."""
        return None

    @property
    def asset(self) -> str | None:
        """The name of the file that a ``.keras`` archive has for it and that it needs; None if it needs none."""
        return None

    def take_asset(self, text: str, beside: Mapping[str, Array]) -> None:
        """Set itself from the text of that file, and from what is stored beside its weights."""

    def stored_beside(self) -> dict[str, Array]:
        """Arrays that a ``.keras`` archive holds with its weights, by name, although they are none."""
        return {}

    def known_texts(self) -> tuple[Collection[str], int]:
        """If it takes texts, those that it knows, at least one, and how many bins it has for the hashes of others.

        Raises:
            UnsupportedError: it does not know them yet.
        """
        return (), 1

    @property
    def identity_in_prediction(self) -> bool:
        """Whether it returns its input at prediction time."""
        return False

    @property
    def ends_with(self) -> Ending | None:
        """The activation that computes its result; ``("linear", {})`` for one that does nothing.

        ``("custom", {})`` is a user's function. None means that the layer has no activation.
        """
        return None

    @property
    def window(self) -> tuple[Sequence[int], Sequence[int]] | None:
        """How many neighbouring positions a result is computed from, and the step from one result to the next.

        Both are for each spatial axis; None if its results do not belong to such windows.
        """
        return None

    def only_trains(self, *input_shapes: Shape) -> str:
        """Why it computes only training steps on inputs of these shapes; "" if it predicts, too."""
        return ""

    def amount(self) -> float:
        """The strength of its random changes in training; 0 for none."""
        return 0.0

    def normalization_rule(self, shape: Shape) -> NormalizationRule | None:
        """How it normalizes inputs of this shape (batch axis first); None if it does not."""
        return None
