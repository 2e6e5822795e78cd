"""The methods of a network for its users: predict, train, save, inspect. Each calls the part of foldnet that does it.

These parts import the network, so the network cannot import them at module level. Only these methods import them, when
they are called, so that reading a file does not load the code for training.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal, cast

from foldnet.use_state import UseState

if TYPE_CHECKING:
    from foldnet.layers.base import Layer
    from foldnet.network import Network
    from foldnet.predictor import Predictor
    from foldnet.training.callbacks import History


def compute_layer(layer: Layer, inputs: Any, **kwargs: Any) -> Any:
    """The result of a layer for arrays, computed immediately; see ``foldnet.training.eager``."""
    from foldnet.training.eager import compute

    return compute(layer, inputs, **kwargs)


def compute_mask(layer: Layer, inputs: Any, mask: Any) -> Any:
    """The mask of a layer's result for arrays; see ``foldnet.training.eager``."""
    from foldnet.training.eager import compute_mask

    return compute_mask(layer, inputs, mask)


class Use(UseState):
    """Methods of ``Network`` that are implemented in higher parts of foldnet."""

    _predictor: Predictor | None

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: Any = "auto",
        steps: int | None = None,
        callbacks: Any = None,
    ) -> Any:
        """Predictions for rows of data, as ``freeze(model)(x)``.

        Args:
            x: array or table of shape (rows, ...), a list or dict of arrays for several inputs, or an iterator of
                batches of them (``x``, ``(x,)`` or ``(x, y)``).
            batch_size: accepted as in Keras; results do not depend on it.
            verbose: accepted as in Keras.
            steps: batches to take; None takes all.
            callbacks: with batch hooks.

        Returns:
            An array of shape (rows, ...); a list or dict of them for several outputs.

        Raises:
            InputError: not numbers, or shapes that do not fit.
        """
        from foldnet.training.prediction import predict

        return predict(self._network, x, batch_size, steps, callbacks)

    def predict_on_batch(self, x: Any) -> Any:
        """Predictions for the rows of one batch; the same as ``predict``."""
        from foldnet.training.prediction import predict_rows

        return predict_rows(self._network, x)

    def load_weights(self, filepath: str | PathLike[str], skip_mismatch: bool = False, **kwargs: Any) -> None:
        """Set all weights from a ``.weights.h5`` file, a weights-only ``.h5``, or a whole saved model.

        Args:
            filepath: of the file.
            skip_mismatch: whether layers that the file does not fit keep their weights; a warning names them.
            kwargs: ``objects_to_skip`` and ``by_name``, see ``saving.load_weights``.

        Raises:
            FileNotFoundError: there is no such file.
            FileFormatError: the file is damaged, or holds the weights of another architecture.
        """
        from foldnet.files import load_weights

        load_weights(self._network, filepath, skip_mismatch, **kwargs)

    def save(
        self,
        filepath: str | PathLike[str],
        overwrite: bool = True,
        zipped: bool | None = None,
        *,
        include_optimizer: bool | Literal["tf_keras"] = True,
        **kwargs: Any,
    ) -> None:
        """Write the network to ``.keras``, ``.h5`` or ``.hdf5``, with compile settings and optimizer state.

        Keras 3 opens all of them, tf_keras the last two. If writing fails or is killed, an old file stays complete.

        Args:
            filepath: of the file; its ending determines the format.
            overwrite: whether an existing file may be replaced.
            zipped: False writes the content of the archive into a directory.
            include_optimizer: whether to save the settings of ``compile`` and the state of the optimizer. Keras 3 never
                reads the state from a ``.h5``, even from its own files: it starts with a new optimizer. ``"tf_keras"``
                writes a ``.h5`` with which tf_keras can continue training, and which Keras 3 opens only with
                ``compile=False``.
            kwargs: see ``saving.save_model``.

        Raises:
            ConfigError: the network is not built, the ending is none of these, or the file exists and ``overwrite``
                is False.
            UnsupportedError: the network has something that this format cannot represent.
        """
        from foldnet.files import save_model

        save_model(self._network, filepath, overwrite, zipped, include_optimizer=include_optimizer, **kwargs)

    def save_weights(
        self,
        filepath: str | PathLike[str],
        overwrite: bool = True,
        max_shard_size: float | None = None,
        *,
        objects_to_skip: Sequence[Any] | None = None,
    ) -> None:
        """Write only the weights to ``.weights.h5``, or to the older layout of a weights-only ``.h5``.

        Args:
            filepath: of the file.
            overwrite: whether an existing file may be replaced.
            max_shard_size: see ``saving.save_weights``.
            objects_to_skip: layers whose weights are left out.

        Raises:
            ConfigError: the network is not built, or the ending is none of these.
        """
        from foldnet.files import save_weights

        save_weights(self._network, filepath, overwrite, max_shard_size, objects_to_skip=objects_to_skip)

    # -- training (see foldnet.training) --------------------------------------------------------------------

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        class_weight: Mapping[int, float] | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: int | Sequence[int] = 1,
        monitor: Any = None,
    ) -> History:
        """Train for some epochs, as Keras's ``fit`` does, inside one compiled program.

        Args:
            x: rows: an array, a table, a list or dict of arrays, or batches ``(x, y)`` or ``(x, y, sample_weight)``
                from an iterator, a list, or a dataset with a length.
            y: targets, one row each; a list or dict for several outputs.
            batch_size: rows per step; 32 if None.
            epochs: number of the last epoch.
            verbose: 0 shows nothing, 1 a bar (on a terminal only), 2 a line per epoch.
            callbacks: with epoch and batch hooks (see ``foldnet.callbacks``).
            validation_split: share of the rows, the last ones, to validate with.
            validation_data: ``(x, y)`` or ``(x, y, sample_weight)``, or batches of them.
            shuffle: whether each epoch uses a new order of the rows.
            class_weight: weight of the rows of each class.
            sample_weight: weight of each row; a list or dict for several outputs.
            initial_epoch: epochs made before.
            steps_per_epoch: steps that make an epoch.
            validation_steps: batches of the validation data to take.
            validation_batch_size: rows of such a batch.
            validation_freq: validate every so many epochs, or after the epochs listed.
            monitor: ``"normalization"`` records each BatchNormalization's statistics in the directory ``run``, for
                ``foldnet report``; a ``callbacks.NormalizationMonitor`` records in another directory, or by step.

        Returns:
            History: ``history.history["loss"]`` has one value per epoch.

        Raises:
            ConfigError: the network is not compiled, or settings contradict each other.
            InputError: data that does not fit the network.
        """
        from foldnet.training.fit_arguments import FitArguments
        from foldnet.training.loop import fit

        if monitor is not None:
            from foldnet.insight.watch.monitor import monitored

            callbacks = monitored(monitor, callbacks)
        given = FitArguments.checked(
            x=x, y=y, batch_size=batch_size, epochs=epochs, verbose=verbose, callbacks=callbacks,
            validation_split=validation_split, validation_data=validation_data, shuffle=shuffle,
            class_weight=class_weight, sample_weight=sample_weight, initial_epoch=initial_epoch,
            steps_per_epoch=steps_per_epoch, validation_steps=validation_steps,
            validation_batch_size=validation_batch_size, validation_freq=validation_freq,
        )  # fmt: skip
        return fit(self._network, given)

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: Any = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Any = None,
        return_dict: bool = False,
    ) -> Any:
        """Loss and metrics over rows, with Dropout off and moving statistics in use.

        Args:
            x: rows, as for ``fit``.
            y: targets.
            batch_size: rows of a batch, for callbacks; 32 if None.
            verbose: 0 shows nothing, 2 a line.
            sample_weight: weight of each row.
            steps: batches to take; None takes all.
            callbacks: with batch hooks.
            return_dict: a dict of logs instead.

        Returns:
            The loss if there are no metrics, else ``[loss, metrics...]``, or a dict.
        """
        from foldnet.training.evaluation import evaluate

        return evaluate(
            self._network, x, y, batch_size, verbose, sample_weight, steps, callbacks, return_dict
        )

    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: Mapping[int, float] | None = None,
        return_dict: bool = False,
    ) -> Any:
        """One step on one batch; returns loss and metrics from before the step, in the form of ``evaluate``."""
        from foldnet.training.loop import train_on_batch

        return train_on_batch(self._network, x, y, sample_weight, class_weight, return_dict)

    def test_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False
    ) -> Any:
        """Loss and metrics of one batch, in the form of ``evaluate``."""
        from foldnet.training.evaluation import test_on_batch

        return test_on_batch(self._network, x, y, sample_weight, return_dict)

    def _repr_html_(self) -> str:  # in a notebook
        from foldnet.insight.displays import network_html

        return network_html(self._network)

    def summary(
        self,
        line_length: int | None = None,
        positions: Any = None,
        print_fn: Any = None,
        expand_nested: bool = True,
        show_trainable: bool = False,
        layer_range: Sequence[str] | None = None,
    ) -> None:
        """Print Keras's table, with trainable and non-trainable counts per layer.

        Args:
            line_length: the longest line, 80 by default.
            positions: of columns; accepted as in Keras, but columns are as wide as their content.
            print_fn: called with the whole text, instead of ``print``.
            expand_nested: whether to show the layers of nested networks; unlike in Keras, True by default.
            show_trainable: whether a column says Y or N of each layer's ``trainable``.
            layer_range: names, or regular expressions, of the first and the last layer to show.

        Raises:
            ConfigError: a ``layer_range`` that matches no layers.
        """
        from foldnet.summary import summary_text

        text = summary_text(
            self._network,
            line_length or 80,
            expand_nested=expand_nested,
            show_trainable=show_trainable,
            layer_range=layer_range,
        )
        (print_fn or print)(text)

    # -- settings --------------------------------------------------------------------------------------------

    def _config(self) -> dict[str, Any]:
        from foldnet.files.architecture import config_of

        return config_of(self._network)

    @classmethod
    def _of_config(cls, config: Any, custom_objects: Any) -> Any:
        from foldnet.files.architecture import network_of_config

        return network_of_config(cast("type[Network]", cls), config, custom_objects)

    def to_json(self, **kwargs: Any) -> str:
        """The configuration as JSON, without weights; ``kwargs`` go to ``json.dumps``.

        Raises:
            ConfigError: the network is not built.
            UnsupportedError: it has something that the configuration cannot represent, such as a lambda.
        """
        from foldnet.files.architecture import to_json

        return to_json(self._network, **kwargs)
