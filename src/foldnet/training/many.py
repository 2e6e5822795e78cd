"""``foldnet.fit_many``: train many networks at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from foldnet.at_once import default_threads, run_at_once
from foldnet.errors import ConfigError, FoldnetError
from foldnet.network import Network
from foldnet.signatures import parameters_of
from foldnet.training.arguments import count, optional_count, verbosity
from foldnet.training.batches import is_stream
from foldnet.training.callbacks import History
from foldnet.training.fit_arguments import FitArguments
from foldnet.training.fit_data import first_inputs
from foldnet.training.loop import fit
from foldnet.training.progress import progress_for
from foldnet.training.python_metrics import runs_in_python
from foldnet.training.suggestions import suggestion
from foldnet.training.user_data import trainer_for


def fit_many(
    models: Sequence[Network],
    x: Any = None,
    y: Any = None,
    *,
    seeds: int | Sequence[int] | None = None,
    threads: int | None = None,
    verbose: Any = "auto",
    **fit_arguments: Any,
) -> list[History]:
    """Train many networks at once, each as its own ``fit`` would: to the same bits, however many threads there are.

    Each network is trained by one thread, and all processors are used. Networks of the same architecture share one
    compiled program.

    **One for all, or one for each.** ``x``, ``y`` and every argument of ``fit`` may differ from network to network: a
    *list* has one entry for each network, and anything else is for all of them. So several inputs that are for all
    networks go into a tuple or a dict, and so do the epochs of ``validation_freq``.

    Args:
        models: compiled networks. They may not share layers, nor the object of an optimizer.
        x: rows, as for ``fit``; or a list of them.
        y: targets; or a list of them.
        seeds: of shuffling and Dropout; or a list of them. By default each network has the seed that it got when it was
            compiled.
        threads: networks that are trained at the same time; by default as many as there are processors, or
            ``$FOLDNET_THREADS``.
        verbose: 0 shows nothing, 1 a bar over the networks (on a terminal only), 2 two lines for each.
        fit_arguments: arguments of ``fit``, such as ``epochs``, ``batch_size``, ``validation_data`` and
            ``sample_weight``. ``callbacks`` is a function that makes a network's callbacks (a class, or
            ``lambda: [EarlyStopping(patience=5)]``), or a list with a list of them for each network.

    Returns:
        A History for each network, in their order.

    Raises:
        ConfigError: arguments that contradict each other, or a list with another number of entries.
        InputError: data that does not fit a network.

    An error names the network by its place in ``models``. It ends the other fits after a whole step, as Ctrl+C does;
    all networks can be used then, and some have not been trained.

    Callbacks are called in the thread that trains their network, at the same time as those of others: what they share
    must stand that.

    >>> import numpy as np
    >>> from foldnet import Input, Sequential, fit_many, layers
    >>> x = np.linspace(0, 1, 64, dtype="f4")[:, None]
    >>> def network():
    ...     model = Sequential([Input((1,)), layers.Dense(4, "relu"), layers.Dense(1)])
    ...     model.compile("adam", "mse")
    ...     return model
    >>> histories = fit_many([network() for _ in range(10)], x, x**2, epochs=3)
    >>> len(histories), len(histories[0].history["loss"])
    (10, 3)
    """
    networks = _networks(models)
    number = len(networks)
    given = fit_arguments_of(fit_arguments)
    columns = {
        name: one_for_each(name, value, number)
        for name, value in {**given, "x": x, "y": y, "seeds": seeds}.items()
        if name != "callbacks"
    }
    columns["callbacks"] = _callbacks(given.get("callbacks"), number)
    rows = [{name: column[i] for name, column in columns.items()} for i in range(number)]
    progress = progress_for(verbosity(verbose), number, None, "Model")
    ended = iter(range(number))
    try:
        return run_at_once(
            _fits(networks, rows),
            *threads_for(threads, number),
            lambda i, history: progress.epoch(next(ended), last_logs(history)),
        )
    finally:
        progress.close()


def threads_for(threads: int | None, number: int) -> tuple[int, int]:
    """How many of a number of fits run at the same time, and how many threads each may have."""
    whole = optional_count(threads, "threads") or default_threads()
    at_once = max(1, min(whole, number))
    return at_once, whole // at_once


def one_for_each(name: str, value: Any, number: int) -> list[Any]:
    """An argument for each network: the entries of a list, or the same value for all.

    Raises:
        ConfigError: a list with another number of entries, or batches that all networks would read at once.
    """
    if isinstance(value, list):
        if len(value) != number:
            raise ConfigError(
                f"{name} is a list of {len(value)}, and there are {number} networks: a list has one entry for each. "
                "What is for all of them is no list: an array, a tuple or a dict"
            )
        return value
    if name == "seeds" and value is not None and not isinstance(value, int):
        return one_for_each(name, list(value), number)
    if name in ("x", "validation_data") and number > 1 and is_stream(value):
        raise ConfigError(
            f"{name} gives batches, which one network at a time can read: give a list with batches for each network, "
            "or arrays for all"
        )
    return [value] * number


def fit_arguments_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments for ``fit``, none of which has another name.

    Raises:
        ConfigError: ``fit`` has no such argument.
    """
    known = [
        name for name in parameters_of(Network.fit) if name not in ("self", "x", "y", "verbose", "monitor")
    ]
    for name in given:
        if name not in known:
            raise ConfigError(f"fit has no argument {name!r}{suggestion(name, known)}")
    defaults = parameters_of(Network.fit)
    return {name: given.get(name, defaults[name].default) for name in known}


def last_logs(history: History) -> dict[str, Any]:
    """The logs of the last epoch."""
    return {name: values[-1] for name, values in history.history.items() if values}


def begin(network: Network, x: Any, seed: int | None) -> None:
    """Do what a fit does that depends on which network came before: draw initial weights and seeds."""
    trainer = trainer_for(network, first_inputs(x) if is_stream(x) else x)
    if seed is not None:
        trainer.seed = count(seed, "seeds", 0)
    for layer in network.single_layers():
        layer.named_weights  # noqa: B018 - draws them


def named(error: BaseException, what: str) -> BaseException:
    """The error, with what it happened in."""
    if isinstance(error, FoldnetError):
        try:
            return type(error)(f"{what}: {error}").with_traceback(error.__traceback__)
        except TypeError:  # a class with other arguments
            pass
    error.add_note(f"in {what}")
    return error


def _networks(models: Any) -> list[Network]:
    """The models in a list.

    Raises:
        ConfigError: something is no network, or two of them would change the same.
    """
    if isinstance(models, Network):
        raise ConfigError("models is one network; give a list of them, or use its fit")
    networks = list(models)
    owner: dict[int, tuple[int, str]] = {}
    for i, network in enumerate(networks):
        if not isinstance(network, Network):
            raise ConfigError(f"models[{i}] is {network!r}, expected a network")
        for part, what in _own_parts(network):
            before = owner.setdefault(id(part), (i, what))
            if before[0] != i:
                raise ConfigError(
                    f"models[{before[0]}] and models[{i}] have the same {what}, which both would change at once; "
                    "build a new one for each"
                )
    return networks


def _own_parts(network: Network) -> Iterator[tuple[object, str]]:
    """What only one fit may use at a time, and what it is called."""
    yield network, "network"
    for layer in network.single_layers():
        if layer.specs:
            yield layer, f"layer {layer.name!r}"
    if network.optimizer is not None:
        yield network.optimizer, f"optimizer {network.optimizer.name!r}"
    if network.trainer is not None:
        for metric in network.trainer.metrics():
            if runs_in_python(metric):
                yield metric, f"metric {metric.name!r}"


def _callbacks(given: Any, number: int) -> list[Any]:
    """The callbacks of each network.

    Raises:
        ConfigError: callbacks that several fits would call at once.
    """
    if given is None or (number == 1 and not callable(given)):
        return [
            given[0] if isinstance(given, list) and given and isinstance(given[0], list) else given
        ] * number
    if callable(given):
        return [given() for _ in range(number)]
    if not isinstance(given, list) or not all(
        entry is None or isinstance(entry, list | tuple) for entry in given
    ):
        raise ConfigError(
            "callbacks of several networks cannot be the same objects: give a function that makes them, such as "
            "callbacks=lambda: [EarlyStopping(patience=5)], or a list with a list of callbacks for each network"
        )
    entries = one_for_each("callbacks", given, number)
    seen: dict[int, int] = {}
    for i, entry in enumerate(entries):
        for callback in entry or ():
            if seen.setdefault(id(callback), i) != i:
                raise ConfigError(
                    f"models[{seen[id(callback)]}] and models[{i}] have the same callback {callback!r}; make one for "
                    "each"
                )
    return entries


def _fits(networks: Sequence[Network], rows: Sequence[dict[str, Any]]) -> Iterator[Callable[[], History]]:
    given: list[tuple[Any, FitArguments]] = []
    before: dict[str, Any] = {}
    for i, row in enumerate(rows):
        seed = row.pop("seeds")
        # What is for all networks is checked once; until it is, no thread has work.
        if given and all(value is before[name] for name, value in row.items()):
            given.append((seed, given[-1][1]))
        else:
            given.append((seed, _attempt(i, FitArguments.checked, **row, verbose=0)))
        before = row
    for i, (network, (seed, arguments)) in enumerate(zip(networks, given, strict=True)):
        _attempt(i, begin, network, arguments.x, seed)
        yield partial(_attempt, i, fit, network, arguments)


def _attempt(number: int, function: Callable[..., Any], *arguments: Any, **named_arguments: Any) -> Any:
    """Call a function; an error names the network."""
    try:
        return function(*arguments, **named_arguments)
    except Exception as error:
        new = named(error, f"models[{number}]")
        raise new from (error if new is not error else None)
