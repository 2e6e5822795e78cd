"""What a user does with a network: predict, train, save, look. Each method opens the part of foldnet that does it.

The parts know the network, so the network cannot know them; these doors are the only places that reach up, and
they import at the call, so that reading a file does not load the training.
"""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING, Any, cast

from foldnet.errors import ConfigError

if TYPE_CHECKING:
    from foldnet.network import Network


class Use:
    """Methods of ``Network`` that the layers above it carry out."""

    saved_training: Any
    _trainer: Any
    _predictor: Any

    @property
    def _network(self) -> Network:
        return cast("Network", self)  # Use is a part of Network and of nothing else

    def predict(self, x: Any, batch_size: int | None = None, verbose: Any = None) -> Any:
        """Predictions for rows of data, as ``freeze(model)(x)``; ``batch_size`` and ``verbose`` change nothing.

        Args:
            x: array of shape (rows, ...), or a list or dict of arrays for several inputs.
            batch_size: accepted as in Keras; results do not depend on it.
            verbose: accepted as in Keras.
        """
        from foldnet.graph.lower import Mode, lower
        from foldnet.predictor import freeze, same_program

        if self._predictor is None or not same_program(
            self._predictor.unfolded, lower(self._network, Mode.PREDICT)
        ):
            self._predictor = freeze(self._network)
        return self._predictor(x)

    def load_weights(self, path: str | PathLike[str]) -> None:
        """Set all weights from a ``.weights.h5`` file, a weights-only ``.h5``, or a whole saved model.

        Raises:
            FileNotFoundError: there is no such file.
            FileFormatError: the file is damaged, or holds the weights of another architecture.
        """
        from foldnet.files import load_weights

        load_weights(self._network, path)

    def save(self, path: str | PathLike[str], *, include_optimizer: bool = True) -> None:
        """Write the network to ``.keras``, ``.h5`` or ``.hdf5``, with compile settings and optimizer state.

        Keras 3 opens all of them, tf_keras the last two. When writing fails or is killed, an old file stays whole.

        Args:
            path: of the file; its ending says which kind it is.
            include_optimizer: whether the settings of ``compile`` and the state of the optimizer go with it.

        Raises:
            ConfigError: the network is not built, or the ending is none of these.
            UnsupportedError: the network has something that this kind of file cannot say.
        """
        from foldnet.files import save_model

        save_model(self._network, path, include_optimizer=include_optimizer)

    def save_weights(self, path: str | PathLike[str]) -> None:
        """Write the weights alone to ``.weights.h5``, or to the older layout of a weights-only ``.h5``.

        Raises:
            ConfigError: the network is not built, or the ending is none of these.
        """
        from foldnet.files import save_weights

        save_weights(self._network, path)

    # -- training (see foldnet.training) --------------------------------------------------------------------

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        **ignored: Any,
    ) -> None:
        """Say how to train: optimizer, loss and metrics by name or as objects, as in Keras.

        Args:
            optimizer: ``"adam"``, or one of ``foldnet.optimizers``.
            loss: ``"mse"``, one of ``foldnet.losses``, or a function of ``y_true`` and ``y_pred`` written with
                ``foldnet.ops``; a list or dict for several outputs.
            loss_weights: of each output's loss.
            metrics: a list; for several outputs a list or dict of lists.
            weighted_metrics: those in which sample weights count.
            ignored: ``run_eagerly``, ``jit_compile``, ``steps_per_execution`` and ``auto_scale_loss`` change nothing.

        Raises:
            ConfigError: an unknown name, or a structure that does not fit the outputs.
        """
        from foldnet.training.compiled import compile_network
        from foldnet.training.trainer import Trainer

        known = {"run_eagerly", "jit_compile", "steps_per_execution", "auto_scale_loss"}
        if unknown := set(ignored) - known:
            raise ConfigError(f"compile does not take {sorted(unknown)}")
        self.trainer = Trainer(
            compile_network(self._network, optimizer, loss, loss_weights, metrics, weighted_metrics)
        )

    @property
    def trainer(self) -> Any:
        """The trainer that ``compile`` made, or that goes on from a loaded file; None if there is neither."""
        if self._trainer is None and self.saved_training is not None:
            from foldnet.files.resume import resume

            self._trainer = resume(self.saved_training, self._network)
            self.saved_training = None
        return self._trainer

    @trainer.setter
    def trainer(self, trainer: Any) -> None:
        self._trainer, self.saved_training = trainer, None

    @property
    def optimizer(self) -> Any:
        """The optimizer that ``compile`` was given or a loaded file had; None before."""
        return None if self.trainer is None else self.trainer.compiled.optimizer

    def fit(self, x: Any = None, y: Any = None, **settings: Any) -> Any:
        """Train for some epochs, as Keras's ``fit`` does, inside one compiled program.

        Args:
            x: rows: an array, a table, a list or dict of arrays, or an iterator of ``(x, y)`` batches.
            y: targets, one row each.
            settings: ``batch_size`` (32), ``epochs`` (1), ``verbose``, ``callbacks``, ``validation_split``,
                ``validation_data``, ``shuffle`` (True), ``class_weight``, ``sample_weight``, ``initial_epoch``,
                ``steps_per_epoch``, ``validation_steps``, ``validation_batch_size``, ``validation_freq``.

        Returns:
            History: ``history.history["loss"]`` has one value an epoch.
        """
        from foldnet.training.loop import fit

        return fit(self._network, x, y, **settings)

    def summary(self, line_length: int = 80, print_fn: Any = None) -> None:
        """Print Keras's table, with trainable and not-trainable counts a layer."""
        from foldnet.summary import summary_text

        (print_fn or print)(summary_text(self._network, line_length))
