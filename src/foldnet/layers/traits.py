"""Traits of layers: what kind of layer one is, asked of the layer itself and never of its class.

Each has a default here; a layer states its own in its own file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from foldnet.layers.tensors import Shape

if TYPE_CHECKING:
    from foldnet.layers.base import Layer
    from foldnet.layers.weight import WeightSpec

Ending = tuple[str, Mapping[str, Any]]
"""Name and parameters of an activation."""
Source = Literal["batch", "data", "row"]


@dataclass(frozen=True)
class NormalizationRule:
    """How a layer normalizes inputs of some shape.

    Attributes:
        source: where the statistics come from: the ``batch`` in training and moving ones at prediction time, the
            training ``data`` once and for all, or each ``row`` itself.
        measure: ``deviation``: the mean is subtracted, and the standard deviation divides; ``spread``: the standard
            deviation divides; ``mean square``: its root divides; ``length``: the root of the sum of squares divides.
        axes: what the ``axis`` setting names, counted from the front, in order: the axes that keep statistics of
            their own for ``batch`` and ``data``; those that are averaged over for ``row``; the channels for groups.
        groups: into how many groups each row's channels are divided; None where they are not.
        epsilon: added to the variance or the mean square inside the root, or the smallest divisor.
    """

    source: Source
    measure: Literal["deviation", "spread", "mean square", "length"]
    axes: tuple[int, ...]
    epsilon: float
    groups: int | None = None


class Traits:
    """What there is to ask of a layer.

    Attributes:
        is_input: whether data enters here; it computes nothing.
        is_operation: whether it is a function of ``foldnet.ops`` as a step between layers.
        joins_inputs: whether it may be called on several tensors.
        takes_mask: whether a call may carry ``mask=``.
        obeys_training_false: whether ``training=False`` in a stored call means something. Keras writes it into others
            by itself.
        spreads_mask: whether the mask of a call is spread over the input, as NumPy broadcasts.
        moves_values: whether each value of the result is a value of the input, and nothing is computed.
        scales_values: whether at prediction time it multiplies by fixed numbers and adds fixed numbers.
        features_last: whether its result has a feature at each position of the last axis.
        is_random: whether it changes values at random in training.
        amount_is_rate: whether ``amount`` is the share of the values that are dropped, or takes its place.
        scales_at_random: whether in training it multiplies by random numbers of mean 1 and variance
            ``rate / (1 - rate)``, which keeps the mean of the values and makes their variance larger.
        normalizes_by: where the statistics come from that it normalizes by; None where it does not normalize.
    """

    is_input: ClassVar[bool] = False
    is_operation: ClassVar[bool] = False
    joins_inputs: ClassVar[bool] = False
    takes_mask: ClassVar[bool] = False
    obeys_training_false: ClassVar[bool] = False
    spreads_mask: ClassVar[bool] = False
    moves_values: ClassVar[bool] = False
    scales_values: ClassVar[bool] = False
    features_last: ClassVar[bool] = False
    is_random: ClassVar[bool] = False
    amount_is_rate: ClassVar[bool] = False
    scales_at_random: ClassVar[bool] = False
    normalizes_by: ClassVar[Source | None] = None

    if TYPE_CHECKING:

        @property
        def specs(self) -> tuple[WeightSpec, ...]:
            """Every weight; see ``Layer``."""

    @property
    def own_specs(self) -> tuple[WeightSpec, ...]:
        """The weights that are not those of a layer inside."""
        return self.specs

    @property
    def stored_specs(self) -> tuple[WeightSpec, ...]:
        """The weights that a file has in the layer's own group."""
        return self.specs

    @property
    def wrapped_layer(self) -> Layer | None:
        """The layer inside, whose weights are its own, too; None for one that holds no other."""
        return None

    @property
    def masked_value(self) -> float | None:
        """The one value whose positions it masks; None where it makes no mask, or not by one value."""
        return None

    @property
    def quiet_in_prediction(self) -> bool:
        """Whether it gives back its input at prediction time."""
        return False

    @property
    def ends_with(self) -> Ending | None:
        """The activation that makes its result, ``("linear", {})`` where it has one that does nothing.

        ``("custom", {})`` is a function of the caller's own. None is a layer that has no activation.
        """
        return None

    def amount(self) -> float:
        """How much it changes at random in training: 0 is nothing."""
        return 0.0

    def normalization_rule(self, shape: Shape) -> NormalizationRule | None:
        """How it normalizes inputs of this shape, batch axis first; None where it does not."""
        return None
