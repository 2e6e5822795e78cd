"""What a file of weights does not say, and releases of Keras do differently.

Such a file has no settings. They are in the code that builds the network, whose author may have left them to the
defaults of another release. The file is then refused with the question that it leaves open, because the network would
compute something else without any sign of it. The answer is an argument of the layer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from foldnet import activations
from foldnet.errors import ConfigError
from foldnet.files import strict_json
from foldnet.files.fill_weights import Leniency, Values
from foldnet.files.hdf5 import Hdf5File
from foldnet.files.releases import GATED, Release
from foldnet.layers.base import Layer
from foldnet.network import Network
from foldnet.warn import warn


@dataclass(frozen=True)
class Question:
    """A setting whose meaning or default differs.

    Attributes:
        differs: whether this is so for a layer.
        by_cudnn: whether the weights of a CuDNN layer answer it.
        text: what differs and how much, after the name of the layer.
        answers: the arguments of which one is to be given.
    """

    differs: Callable[[Layer], bool]
    text: str
    answers: str
    by_cudnn: bool = False

    def settled(self, layer: Layer, values: Values) -> bool:
        """Whether the weights answer it."""
        return self.by_cudnn and layer in values.with_sigmoid


def check_weights(
    file: Hdf5File, network: Network, values: Values, release: Release, leniency: Leniency
) -> None:
    """Check that the code which built a network leaves nothing to defaults that were others when its weights were made.

    Args:
        file: with the weights, and maybe with a configuration.
        network: built by the caller's code.
        values: the weights.
        release: that wrote them.
        leniency: whether only some layers get weights.

    Raises:
        ConfigError: a setting of a layer was not given and has another default, or its name has another meaning.
    """
    if release.keras == 3 or file.root.attribute("written_by") is not None:
        return  # of Keras 3, or of foldnet, which has its defaults
    stated = stated_gates(file.root.attribute("model_config"))
    without = [] if leniency.by_name else [one for one in network.single_layers() if not one.specs]
    layers = [*values.layers, *without]
    for question in _questions(release, stated):
        found = [one for one in layers if question.differs(one) and not question.settled(one, values)]
        if not found:
            continue
        names = list(dict.fromkeys(_owner(layer).described() for layer in found))
        shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
        raise ConfigError(
            f"{shown}: the weights are of {release}. {question.text} Give the layer what it had: {question.answers}"
        )
    if release.version is None:
        for layer, variance in values.of("moving_variance"):
            _warn_of_epsilon(layer, float(variance.min(initial=np.inf)))


def _questions(release: Release, stated: frozenset[str]) -> Iterator[Question]:
    if release.gates != "sigmoid" and stated != {"sigmoid"}:
        then = (
            "There recurrent_activation was hard_sigmoid by default"
            if release.gates
            else "TensorFlow 1 and 2 both had it, and in TensorFlow 1 recurrent_activation was hard_sigmoid by default"
        )
        said = f", and the file says {', '.join(sorted(stated))}" if stated else ""
        yield Question(
            _gates_left_out,
            f"{then}{said}; today it is sigmoid, and a gate differs by up to 0.076.",
            'recurrent_activation=foldnet.activations.hard_sigmoid_keras2, or recurrent_activation="sigmoid"',
            by_cudnn=True,
        )
    if release.reset_after is not True:
        yield Question(
            _reset_left_out,
            "There reset_after was False by default, today it is True, and without a bias the weights do not show "
            "which it was.",
            "reset_after=False, or reset_after=True",
        )
    if release.keras < 3:
        yield Question(
            _old_name,
            "There hard_sigmoid was 0.2 x + 0.5; today it is x / 6 + 0.5, and they differ by up to 0.083.",
            "foldnet.activations.hard_sigmoid_keras2, or for today's the function foldnet.activations.hard_sigmoid",
        )


def _given(layer: Layer) -> Mapping[str, Any]:
    """The arguments that a layer was made with; for the cell that a layer makes from them, the layer's."""
    return _owner(layer).given_settings or {}


def _owner(layer: Layer) -> Layer:
    """The layer whose arguments set this one."""
    return layer if layer.given_settings is not None or layer.part_of is None else _owner(layer.part_of)


def _gates_left_out(layer: Layer) -> bool:
    settings: Any = layer
    return (
        type(layer).__name__ in GATED
        and "recurrent_activation" not in _given(layer)
        and settings.recurrent_activation is activations.sigmoid
    )


def _reset_left_out(layer: Layer) -> bool:
    settings: Any = layer
    return type(layer).__name__ == "GRUCell" and not settings.use_bias and "reset_after" not in _given(layer)


def _old_name(layer: Layer) -> bool:
    return any(
        key.endswith("activation")
        and value == "hard_sigmoid"
        and getattr(layer, key, None) is activations.hard_sigmoid
        for key, value in _given(layer).items()
    )


def stated_gates(config: object) -> frozenset[str]:
    """Every ``recurrent_activation`` in the configuration that a whole network's file has.

    Args:
        config: its JSON, or None.

    Raises:
        FileFormatError: it is not JSON.
    """
    found: set[str] = set()
    pending: list[object] = [strict_json.parse(config, "model_config")] if isinstance(config, str) else []
    while pending:
        value = pending.pop()
        if isinstance(value, Mapping):
            found |= {
                v for k in ("recurrent_activation", "inner_activation") if isinstance(v := value.get(k), str)
            }
            pending.extend(value.values())
        elif isinstance(value, list):
            pending.extend(value)
    return frozenset(found)


def _warn_of_epsilon(layer: Layer, smallest: float) -> None:
    """Warn of a BatchNormalization whose epsilon is left to the default, which Keras before 1.2 had smaller.

    Args:
        layer: with weights of a file that has no version, as Keras 1 wrote them.
        smallest: of its moving variances.
    """
    epsilon = getattr(layer, "epsilon", None)
    if not isinstance(epsilon, float) or "epsilon" in _given(layer) or not smallest >= 0:
        return
    apart = ((smallest + epsilon) / (smallest + OLD_EPSILON)) ** 0.5 - 1
    if apart > 0.01:
        warn(
            f"{layer.described()}: the weights are of Keras 1, where epsilon was 1e-6 before 1.0.8, 1e-5 before 1.2, "
            f"and {epsilon:g} since. With a moving variance of {smallest:.2g} this changes the result by up to "
            f"{100 * apart:.2g} %. Give the layer the epsilon that it had"
        )


OLD_EPSILON = 1e-6
"""The smallest epsilon that Keras had by default."""
