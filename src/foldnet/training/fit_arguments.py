"""The arguments of ``fit`` as one record, checked when it is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from foldnet.errors import ConfigError
from foldnet.training.arguments import (
    Verbosity,
    batch_size_or_default,
    boolean,
    class_weights,
    count,
    fraction,
    limited_epochs,
    optional_count,
    validation_frequency,
    verbosity,
)
from foldnet.training.batches import is_stream


@dataclass(frozen=True)
class FitArguments:
    """The arguments of ``fit``; see ``Network.fit`` for what each means.

    ``x``, ``y``, ``sample_weight``, ``validation_data`` and ``callbacks`` are as the user gave them. The others are
    checked, and defaults are filled in.
    """

    x: Any
    y: Any
    batch_size: int
    epochs: int
    verbose: Verbosity
    callbacks: Any
    validation_split: float
    validation_data: Any
    shuffle: bool
    class_weight: Mapping[int, float] | None
    sample_weight: Any
    initial_epoch: int
    steps_per_epoch: int | None
    validation_steps: int | None
    validation_batch_size: int
    validation_freq: int | Sequence[int]

    @classmethod
    def checked(
        cls,
        *,
        x: Any,
        y: Any,
        batch_size: int | None,
        epochs: int,
        verbose: Any,
        callbacks: Any,
        validation_split: float,
        validation_data: Any,
        shuffle: bool,
        class_weight: Mapping[int, float] | None,
        sample_weight: Any,
        initial_epoch: int,
        steps_per_epoch: int | None,
        validation_steps: int | None,
        validation_batch_size: int | None,
        validation_freq: int | Sequence[int],
    ) -> FitArguments:
        """Check the user's arguments and fill in defaults.

        Raises:
            ConfigError: an invalid value, or arguments that contradict each other.
        """
        size = batch_size_or_default(batch_size)
        checked = cls(
            x=x,
            y=y,
            batch_size=size,
            epochs=limited_epochs(count(epochs, "epochs")),
            initial_epoch=count(initial_epoch, "initial_epoch", 0),
            steps_per_epoch=optional_count(steps_per_epoch, "steps_per_epoch"),
            validation_steps=optional_count(validation_steps, "validation_steps"),
            validation_split=fraction(validation_split, "validation_split"),
            class_weight=class_weights(class_weight),
            validation_freq=validation_frequency(validation_freq),
            verbose=verbosity(verbose),
            shuffle=boolean(shuffle, "shuffle"),
            validation_batch_size=optional_count(validation_batch_size, "validation_batch_size") or size,
            callbacks=callbacks,
            validation_data=validation_data,
            sample_weight=sample_weight,
        )
        if checked.streamed and (sample_weight is not None or checked.validation_split):
            raise ConfigError(
                "sample_weight and validation_split are for arrays; batches bring their own weights as "
                "(x, y, sample_weight). Give the rows to validate with as validation_data"
            )
        return checked

    @property
    def streamed(self) -> bool:
        """Whether ``x`` yields batches, instead of being the rows."""
        return is_stream(self.x, self.y)

    def validates_after(self, epoch: int) -> bool:
        """Whether ``validation_freq`` asks for a validation after this epoch, counted from 0."""
        if isinstance(self.validation_freq, int):
            return (epoch + 1) % self.validation_freq == 0
        return epoch + 1 in self.validation_freq
