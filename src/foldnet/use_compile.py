"""The methods of a network for training settings: ``compile`` and its arguments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from foldnet.files.saved_training import SavedTraining
    from foldnet.network import Network
    from foldnet.training.optimizer import Optimizer
    from foldnet.training.trainer import Trainer


@dataclass(frozen=True)
class CompileArguments:
    """The arguments of ``compile``; see ``Network.compile``."""

    optimizer: Any
    loss: Any = None
    loss_weights: Any = None
    metrics: Any = None
    weighted_metrics: Any = None
    steps_per_execution: int = 1


class UseCompile:
    """Methods of ``Network`` for compiling; a base class of ``Use``."""

    saved_training: SavedTraining | None
    _trainer: Trainer | None
    _optimizer: Optimizer | None = None
    _compile: CompileArguments | None = None

    @property
    def _network(self) -> Network:
        return cast("Network", self)  # only Network has this base class

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: Any = "auto",
        auto_scale_loss: bool = True,
    ) -> None:
        """Set optimizer, loss and metrics for training, by name or as objects, as in Keras.

        Compiling again starts a new optimizer; with the same optimizer object, its state is kept. Setting
        ``trainable`` on a layer takes effect at the next ``fit`` or ``train_on_batch``, without compiling again.

        Args:
            optimizer: ``"adam"``, or one of ``foldnet.optimizers``; None for a network that only evaluates.
            loss: ``"mse"``, one of ``foldnet.losses``, or a function of ``y_true`` and ``y_pred`` written with
                ``foldnet.ops``; a list or dict for several outputs.
            loss_weights: of each output's loss.
            metrics: a list; for several outputs a list or dict of lists.
            weighted_metrics: those in which sample weights count.
            run_eagerly: accepted as in Keras, but has no effect.
            steps_per_execution: how many steps count as one for callbacks.
            jit_compile: see ``run_eagerly``.
            auto_scale_loss: see ``run_eagerly``.

        Raises:
            ConfigError: an unknown name, or a structure that does not fit the outputs.
        """
        from foldnet.training import optimizers
        from foldnet.training.arguments import count

        self._optimizer = optimizers.get(optimizer)
        self._network.steps_per_execution = count(steps_per_execution, "steps_per_execution")
        self._compile = CompileArguments(
            self._optimizer, loss, loss_weights, metrics, weighted_metrics, self._network.steps_per_execution
        )
        if self._network.built:
            self.finish_compile()

    def finish_compile(self) -> None:
        """Finish ``compile``, which for a Sequential without an input shape waits for the data."""
        if self._compile is None:
            return
        from foldnet.training.compiled import compile_network
        from foldnet.training.trainer import Trainer

        before = self._trainer  # the training state in a file is then not used
        self.trainer = Trainer(compile_network(self._network, self._compile))
        if before is not None:
            self.trainer.continue_from(before)
        self._compile = None

    @property
    def trainer(self) -> Trainer | None:
        """The trainer made by ``compile`` or from a loaded file; None if there is neither."""
        if self._trainer is None and self.saved_training is not None:
            from foldnet.files.resume import resume

            self._trainer = resume(self.saved_training, self._network)
            self.saved_training = None
        return self._trainer

    @trainer.setter
    def trainer(self, trainer: Trainer | None) -> None:
        self._trainer, self.saved_training = trainer, None

    @property
    def compiled(self) -> bool:
        """Whether ``compile`` was called, or a loaded file had been compiled."""
        return self._compile is not None or self.trainer is not None

    @property
    def compiled_with(self) -> dict[str, Any] | None:
        """The arguments of ``compile``; None before it."""
        if self._compile is not None:
            return dict(vars(self._compile))
        if self.trainer is None:
            return None
        given = vars(self.trainer.compiled.given)
        steps = self._network.steps_per_execution
        return {**given, "optimizer": self.optimizer, "steps_per_execution": steps}

    @property
    def loss(self) -> Any:
        """The loss as passed to ``compile``; None before."""
        if self._compile is not None:
            return self._compile.loss
        return None if self.trainer is None else self.trainer.compiled.given.loss

    @property
    def optimizer(self) -> Optimizer | None:
        """The optimizer passed to ``compile`` or from a loaded file; None before."""
        if self.trainer is None:
            return self._optimizer
        optimizer = self.trainer.compiled.optimizer
        return None if optimizer.absent else optimizer
