"""The inputs and results of training engines; the same for every engine.

An engine is made from a TrainingProgram and has two methods::

    fit(state, data, plan, validation=None, should_stop=None) -> FitResult
    evaluate(state, data, batch_size) -> Sums
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from foldnet.arrays import Array
from foldnet.graph.training import TrainingProgram

SHUFFLE_STREAM = 0xFFFFFFFF
"""The random stream for the order of rows; the streams of layers start at 0."""


@dataclass
class FitState:
    """The state that a fit changes in place: weights, optimizer slots, and the number of steps.

    Attributes:
        weights: float32 array of each variable, by its name in the program.
        slots: for each trainable variable its slot arrays, in the order of ``UpdateRule.slots``.
        averages: moving average of each trainable variable, if the rule asks for one.
        iterations: number of steps so far; the generator's counter continues from here.
    """

    weights: dict[str, Array]
    slots: dict[str, list[Array]] = field(default_factory=dict)
    averages: dict[str, Array] = field(default_factory=dict)
    iterations: int = 0


@dataclass(frozen=True)
class Data:
    """Rows for training or evaluation: C-contiguous float32 (or int32) arrays, in the program's order."""

    arrays: Sequence[Array]

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.arrays[0])


@dataclass(frozen=True)
class FitPlan:
    """How to go through the data.

    Attributes:
        batch_size: rows per step; the last step of an epoch takes the remaining rows.
        epochs: number of epochs in this call.
        first_epoch: number of the first epoch, for the shuffle's counter and for messages.
        scalars: float32 (steps in all epochs, scalars): the update rule's numbers for each step.
        shuffle: whether each epoch uses a new order of the rows: Fisher-Yates from the last
            position down, ``j = random(i) % (i + 1)``, where random(i) is lane ``i % 4`` of Philox4x32-10 with key
            (seed, SHUFFLE_STREAM) and counter (epoch, i // 4).
        seed: of the generator, for shuffle and Drop.
        validation_epochs: for each epoch whether it is followed by a validation.
        validation_batch_size: rows of a batch of validation data, which matters if the program is ``by_batch``;
            None for ``batch_size``.
        stop_on_nan: whether the first loss that is NaN or infinite ends the fit: its epoch ends with that step, is
            validated if planned, and is the last one.
        threads: the largest number of threads; results do not depend on it.
    """

    batch_size: int
    epochs: int
    scalars: Array
    first_epoch: int = 0
    shuffle: bool = True
    seed: int = 0
    validation_epochs: Sequence[bool] = ()
    validation_batch_size: int | None = None
    stop_on_nan: bool = False
    threads: int | None = None


@dataclass
class Sums:
    """Accumulators summed over rows, in double precision.

    Attributes:
        rows: number of rows.
        loss: sum of loss_rows; without regularizers.
        values: for each accumulator, sums of shape (epochs, width) or (width,).
        regularization: value of the regularizers, averaged over steps weighted by rows.
        results: results of metrics that run in Python between the steps, by the names of the log.
    """

    rows: Array
    loss: Array
    regularization: Array
    values: list[Array]
    results: dict[str, Any] = field(default_factory=dict)


@dataclass
class FitResult:
    """The result of a fit.

    Attributes:
        epochs: finished epochs.
        training: sums over each finished epoch, as the steps saw them.
        validation: sums over the validation data; rows of NaN for epochs without.
        stopped: whether it stopped before the plan's end because ``should_stop`` was true.
        not_finite: (epoch, step) of the first loss that was NaN or infinite, if any; training continues after it,
            as Keras does, unless the plan says to stop.
    """

    epochs: int
    training: Sums
    validation: Sums | None
    stopped: bool = False
    not_finite: tuple[int, int] | None = None


class TrainingEngine(Protocol):
    """A program that is ready to run.

    Attributes:
        is_native: whether it is compiled.
    """

    is_native: bool

    def __init__(self, program: TrainingProgram) -> None: ...

    def fit(
        self,
        state: FitState,
        data: Data,
        plan: FitPlan,
        validation: Data | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> FitResult:
        """Run the plan; ``should_stop`` is called at least every 0.1 s and ends it after the current step."""
        ...

    def evaluate(self, state: FitState, data: Data, batch_size: int) -> Sums:
        """Sums over the data with Dropout off and moving statistics in use; changes nothing."""
        ...
