"""Keras's callbacks: hooks that ``fit``, ``evaluate`` and ``predict`` call.

A callback with epoch hooks costs one call per epoch. A callback with batch hooks makes ``fit`` return to Python after
every step, which is slower; without such callbacks there is no such cost.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from foldnet.errors import ConfigError
from foldnet.training.suggestions import suggestion

Logs = dict[str, Any]
BATCH_HOOKS = ("on_batch_begin", "on_batch_end", "on_train_batch_begin", "on_train_batch_end")
TEST_HOOKS = ("on_test_begin", "on_test_end", "on_test_batch_begin", "on_test_batch_end")


class Callback:
    """Base class of callbacks, with Keras's hooks; ``fit`` sets ``self.model`` and ``self.params``."""

    model: Any = None
    params: dict[str, Any]

    def set_model(self, model: Any) -> None:
        """Set the network."""
        self.model = model

    def set_params(self, params: dict[str, Any]) -> None:
        """Set epochs, steps and verbosity."""
        self.params = params

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Before the first epoch."""

    def on_train_end(self, logs: Logs | None = None) -> None:
        """After the last epoch, or when training was interrupted."""

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Before an epoch."""

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """After an epoch; ``logs`` has loss and metrics, those of the validation data with the prefix ``val_``."""

    def on_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Before a step."""

    def on_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """After a step."""

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Before a training step; calls ``on_batch_begin``."""
        self.on_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """After a training step; calls ``on_batch_end``."""
        self.on_batch_end(batch, logs)

    def on_test_begin(self, logs: Logs | None = None) -> None:
        """Before an evaluation, including validation during ``fit``."""

    def on_test_end(self, logs: Logs | None = None) -> None:
        """After an evaluation."""

    def on_test_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Before a batch of an evaluation."""

    def on_test_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """After a batch of an evaluation."""

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        """Before ``predict``."""

    def on_predict_end(self, logs: Logs | None = None) -> None:
        """After ``predict``."""

    def on_predict_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Before a batch of ``predict``."""

    def on_predict_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """After a batch of ``predict``; ``logs["outputs"]`` has its predictions."""


def has_hooks(callback: Any, hooks: tuple[str, ...]) -> bool:
    """Whether a callback overrides one of these hooks."""
    if isinstance(callback, CallbackList):
        return any(has_hooks(c, hooks) for c in callback.callbacks)
    own = type(callback)
    return any(
        hook in vars(callback) or getattr(own, hook, None) not in (None, getattr(Callback, hook))
        for hook in hooks
    )


class History(Callback):
    """What ``fit`` returns: ``history`` maps each log's name to its values by epoch."""

    def __init__(self) -> None:
        self.history: dict[str, list[Any]] = {}
        self.epoch: list[int] = []

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Start again."""
        self.epoch = []

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Record the logs."""
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)

    def extend(self, epochs: Sequence[int], columns: Mapping[str, Sequence[Any]]) -> None:
        """Record the logs of several epochs; ``columns`` maps each name to its values."""
        self.epoch += epochs
        for name, values in columns.items():
            self.history.setdefault(name, []).extend(values)


class LambdaCallback(Callback):
    """Functions as hooks: ``LambdaCallback(on_epoch_end=lambda epoch, logs: print(logs))``.

    Args:
        on_epoch_begin: called with the epoch and logs.
        on_epoch_end: likewise.
        on_train_begin: called with logs.
        on_train_end: likewise.
        on_train_batch_begin: called with the batch and logs.
        on_train_batch_end: likewise.
        others: functions for other hooks, by name; other names become attributes.
    """

    def __init__(
        self,
        on_epoch_begin: Callable[..., Any] | None = None,
        on_epoch_end: Callable[..., Any] | None = None,
        on_train_begin: Callable[..., Any] | None = None,
        on_train_end: Callable[..., Any] | None = None,
        on_train_batch_begin: Callable[..., Any] | None = None,
        on_train_batch_end: Callable[..., Any] | None = None,
        **others: Any,
    ) -> None:
        allowed = [name for name in dir(Callback) if name.startswith("on_")]
        if unknown := sorted(n for n in others if n.startswith("on_") and n not in allowed):
            raise ConfigError(f"there is no hook {unknown[0]!r}{suggestion(unknown[0], allowed)}")
        hooks = {
            "on_epoch_begin": on_epoch_begin, "on_epoch_end": on_epoch_end, "on_train_begin": on_train_begin,
            "on_train_end": on_train_end, "on_train_batch_begin": on_train_batch_begin,
            "on_train_batch_end": on_train_batch_end, **others,
        }  # fmt: skip
        for name, hook in hooks.items():
            if name in allowed and hook is not None and not callable(hook):
                raise ConfigError(f"the hook {name} must be a function, got {hook!r}")
        vars(self).update({name: hook for name, hook in hooks.items() if hook is not None})


class CallbackList:
    """Several callbacks as one: each hook calls that hook of every callback, in order.

    Args:
        callbacks: one, or a list (of lists) of them.
        add_history: add a History at the end, unless there is one, and keep it as ``model.history``.
        add_progbar: accepted as in Keras, without effect; ``fit`` shows its progress without a callback.
        model: passed to them, if not None.
        params: passed to their ``set_params``.

    Attributes:
        history: the History that ``fit`` returns.
        stop_on_nan: whether any has the hook ``on_not_finite(batch, loss)``; ``fit`` then stops at the first loss
            that is NaN or infinite and calls it.
        by_epoch, by_batch, by_test, by_test_batch, by_predict_batch: whether any has hooks of this kind.
    """

    def __init__(
        self,
        callbacks: Any = None,
        add_history: bool = False,
        add_progbar: bool = False,
        model: Any = None,
        **params: Any,
    ) -> None:
        self.callbacks = _flat(callbacks)
        own = next((c for c in self.callbacks if isinstance(c, History)), None)
        self.history = own or History()
        if own is None and add_history:
            self.callbacks.append(self.history)
        for callback in self.callbacks:
            for tell, what in (("set_params", params), ("set_model", model)):
                function = getattr(callback, tell, None)
                if function is not None and what is not None:
                    function(what)
        if model is not None and add_history:
            model.history = self.history
        self.stop_on_nan = any(hasattr(c, "on_not_finite") for c in self.callbacks)
        self.by_epoch = any(type(c) is not History for c in self.callbacks)
        self.by_batch, self.by_test, self.by_test_batch, self.by_predict_batch = (
            any(has_hooks(c, hooks) for c in self.callbacks)
            for hooks in (
                BATCH_HOOKS, TEST_HOOKS, TEST_HOOKS[2:], ("on_predict_batch_begin", "on_predict_batch_end")
            )
        )  # fmt: skip

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("on_") or not hasattr(Callback, name):
            raise AttributeError(f"CallbackList has no attribute {name!r}")
        return partial(self.call, name)

    def call(self, hook: str, *arguments: Any) -> None:
        """Call a hook of every callback that has it; logs that are None become an empty dict, as in Keras."""
        if arguments and arguments[-1] is None:
            arguments = (*arguments[:-1], {})
        for callback in self.callbacks:
            function = getattr(callback, hook, None)
            if function is not None:
                function(*arguments)


def _flat(callbacks: Any) -> list[Any]:
    if callbacks is None:
        return []
    if isinstance(callbacks, CallbackList):
        return list(callbacks.callbacks)
    if isinstance(callbacks, list | tuple):
        return [c for item in callbacks for c in _flat(item)]
    if not any(hasattr(callbacks, name) for name in dir(Callback) if name.startswith("on_")):
        raise ConfigError(
            f"callbacks are objects with hooks such as on_epoch_end, and {callbacks!r} has none; wrap a function as "
            "callbacks.LambdaCallback(on_epoch_end=function)"
        )
    if isinstance(callbacks, type):
        raise ConfigError(
            f"callbacks has the class {callbacks.__name__}; create an object of it: {callbacks.__name__}()"
        )
    return [callbacks]
