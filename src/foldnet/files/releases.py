"""Releases of Keras: what their defaults were, and what a configuration means that leaves out a setting.

Every release stores all settings of a layer, so one is missing only where somebody took it out. Then the release that
wrote the file decides, as it would have when it read the file again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from foldnet.errors import FileFormatError, UnsupportedError

GATED = frozenset({"LSTM", "GRU", "LSTMCell", "GRUCell"})
"""Classes with gates."""


@dataclass(frozen=True)
class Release:
    """The release of Keras that wrote a file.

    Attributes:
        version: as the file has it; None if it has none.
        keras: major version, which is known without a version, too.
    """

    version: str | None
    keras: int

    @property
    def numbers(self) -> tuple[int, int] | None:
        """Major and minor version; None if the file does not have them."""
        found = re.match(r"(\d{1,4})\.(\d{1,4})", self.version or "")
        return None if found is None else (int(found[1]), int(found[2]))

    @property
    def of_tensorflow(self) -> bool:
        """Whether it is the Keras inside TensorFlow, as far as the version shows it."""
        return (self.version or "").endswith("-tf")

    @property
    def gates(self) -> str | None:
        """The default of ``recurrent_activation``; None if the version does not settle it.

        It became ``sigmoid`` with Keras 2.3 and with TensorFlow 2. TensorFlow 1.13 to 2.1 call their Keras 2.2.4-tf.
        """
        if self.keras != 2:
            return "hard_sigmoid" if self.keras == 1 else "sigmoid"
        if self.numbers is None or (self.of_tensorflow and self.numbers == (2, 2)):
            return None
        return "hard_sigmoid" if self.numbers < (2, 3) else "sigmoid"

    @property
    def reset_after(self) -> bool | None:
        """The default of ``reset_after``; None if the version does not settle it.

        It is True in TensorFlow 2 and Keras 3. Keras up to 2.3.1, by itself, had False.
        """
        if self.keras != 2:
            return self.keras == 3
        if self.numbers is None or (self.of_tensorflow and self.numbers == (2, 2)):
            return None
        return self.numbers >= (2, 4) or (self.of_tensorflow and self.numbers == (2, 3))

    def __str__(self) -> str:
        return f"Keras {self.keras if self.version is None else self.version}"


NEWEST = Release(None, 3)


def complete(class_name: str, config: Mapping[str, Any], release: Release) -> dict[str, Any]:
    """The settings of a layer, with those that the file leaves out where today's defaults are others.

    Args:
        class_name: of the layer, in today's words.
        config: its settings, in today's words.
        release: that wrote them.

    Raises:
        FileFormatError: the release does not say what is meant.
        UnsupportedError: a setting had a meaning that foldnet does not compute.
    """
    settings = dict(config)
    _check_corners(class_name, settings, release)
    if release.keras == 3 or class_name not in GATED:
        return settings
    if "recurrent_activation" not in settings:
        if release.gates is None:
            raise FileFormatError(
                f"layer {config.get('name')!r} ({class_name}) has no recurrent_activation, and {_unknown(release)}. "
                "Its default was hard_sigmoid up to Keras 2.2 and in TensorFlow 1, and sigmoid since. Write the "
                "recurrent_activation among the layer's settings, or the keras_version into the file"
            )
        settings["recurrent_activation"] = release.gates
    if class_name.startswith("GRU") and "reset_after" not in settings:
        settings["reset_after"] = False  # every release that had True as its default also stored it
    return settings


def _check_corners(class_name: str, settings: Mapping[str, Any], release: Release) -> None:
    """Keras 2.2 and 2.3 put the first new position at the first old one, and did not lay the edges on each other."""
    before = release.numbers is not None and release.numbers < (2, 4) and not release.of_tensorflow
    if class_name == "UpSampling2D" and settings.get("interpolation") == "bilinear" and before:
        raise UnsupportedError(
            f"layer {settings.get('name')!r} (UpSampling2D): in {release}, interpolation='bilinear' put the new "
            "positions elsewhere between the old ones than TensorFlow 2 and Keras 3 do, and foldnet computes only "
            "theirs. If the network may compute those, build it in foldnet and call its load_weights with the file"
        )


def _unknown(release: Release) -> str:
    if release.version is None:
        return "the file does not say which Keras wrote it"
    return f"{release.version} was the Keras of both TensorFlow 1 and 2"
