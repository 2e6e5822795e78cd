"""``foldnet.sweep``: train a network with many settings, on folds of the rows, and compare them."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import product
from typing import Any, Literal

import numpy as np

from foldnet.at_once import run_at_once
from foldnet.errors import ConfigError
from foldnet.network import Network
from foldnet.random import set_random_seed
from foldnet.training.arguments import count, verbosity
from foldnet.training.fit_arguments import FitArguments
from foldnet.training.folds import Fold, folds_of
from foldnet.training.loop import fit
from foldnet.training.many import begin, fit_arguments_of, named, threads_for
from foldnet.training.progress import progress_for
from foldnet.training.suggestions import suggestion
from foldnet.training.sweep_result import SweepResult, SweepRow
from foldnet.training.user_data import trainer_for

Settings = Mapping[str, Any]


def sweep(
    build: Callable[..., Network],
    settings: Mapping[str, Sequence[Any]] | Iterable[Settings],
    x: Any,
    y: Any,
    *,
    cv: Any = None,
    seeds: int | Sequence[int] = 0,
    score: str = "loss",
    mode: Literal["auto", "min", "max"] = "auto",
    sample_weight: Any = None,
    validation_split: float = 0.0,
    validation_data: Any = None,
    threads: int | None = None,
    verbose: Any = "auto",
    **fit_arguments: Any,
) -> SweepResult:
    """Train a network with many settings, on all processors, and compare them on rows that it was not trained on.

    Each setting is trained once for each seed and fold, always from the weights that ``set_random_seed(seed)`` and
    ``build`` give, so that settings differ in nothing else. Results do not depend on the number of threads.

    Args:
        build: called with a setting's entries as arguments; returns a compiled network.
        settings: a list of values for each argument, all of whose combinations are tried; or the settings themselves
            as dicts: a list, or scikit-learn's ``ParameterGrid`` or ``ParameterSampler``. Entries that ``build``
            does not take and ``fit`` does, such as ``batch_size`` and ``epochs``, are for ``fit``.
        x: rows: an array or a table, or a tuple, list or dict of them.
        y: targets.
        cv: a number of folds (of shuffled rows), one of scikit-learn's splitters, or pairs of row numbers
            ``(train, test)``.
        seeds: one, or several, each of which is tried with each setting.
        score: the log to compare by: ``"loss"``, or the name of a metric.
        mode: whether the best score is the smallest or the largest; ``"auto"`` goes by what the metric means.
        sample_weight: weight of each row, in training and in the score.
        validation_split: share of the rows, the last ones, to judge by, if there is no ``cv``.
        validation_data: ``(x, y)`` to judge by, if there is neither.
        threads: networks that are trained at the same time; by default as many as there are processors, or
            ``$FOLDNET_THREADS``.
        verbose: 0 shows nothing, 1 a bar over the fits (on a terminal only), 2 two lines for each.
        fit_arguments: further arguments of ``fit``, such as ``epochs``. ``callbacks`` is a function that makes those of
            one fit; they see the rows to judge by as the validation data.

    Returns:
        SweepResult: a row for each setting, and the best one.

    Raises:
        ConfigError: arguments that contradict each other; no rows to judge by; an unknown score.
        InputError: data that does not fit a network.

    >>> import numpy as np
    >>> from foldnet import Input, Sequential, layers, optimizers, sweep
    >>> def network(units, rate):
    ...     model = Sequential([Input((1,)), layers.Dense(units, "relu"), layers.Dense(1)])
    ...     model.compile(optimizers.Adam(rate), "mse")
    ...     return model
    >>> x = np.linspace(0, 1, 90, dtype="f4")[:, None]
    >>> result = sweep(network, {"units": [2, 8], "rate": [1e-6, 0.03]}, x, x**2, cv=3, epochs=20)
    >>> len(result), result.best.settings["rate"]
    (4, 0.03)
    """
    chosen = _all_settings(settings)
    every_seed = [count(seed, "seeds", 0) for seed in ([seeds] if isinstance(seeds, int) else seeds)]
    folds = folds_of(x, y, sample_weight, cv, validation_split, validation_data)
    given = fit_arguments_of(fit_arguments | {"sample_weight": None})
    if given["callbacks"] is not None and not callable(given["callbacks"]):
        raise ConfigError(
            "callbacks is a function that makes the callbacks of one fit: lambda: [EarlyStopping()]"
        )
    plans = [_Plan(build, setting, given) for setting in chosen]
    jobs = [_Job(plan, seed, fold) for plan in plans for seed in every_seed for fold in folds]
    progress = progress_for(verbosity(verbose), len(jobs), None, "Fit")
    ended = iter(range(len(jobs)))
    # What depends on order, such as a build that counts, is done in this thread and in order.
    compared = _Comparison(score, mode)
    try:
        fits = run_at_once(
            (job.begun(compared) for job in jobs),
            *threads_for(threads, len(jobs)),
            lambda i, done: progress.epoch(next(ended), done[0]),
        )
    finally:
        progress.close()
    rows, each = [], len(every_seed) * len(folds)
    for i, plan in enumerate(plans):
        part = fits[i * each : (i + 1) * each]
        # Outputs whose layers have no names of their own are called otherwise in each network.
        shared = [name for name in part[0][0] if all(name in logs for logs, _ in part)]
        logs = {name: float(np.mean([logs[name] for logs, _ in part])) for name in shared}
        scores = [logs[score] for logs, _ in part]
        rows.append(SweepRow(i, dict(plan.settings), scores, logs, sum(took for _, took in part)))
    return SweepResult(rows, score, compared.largest)


class _Comparison:
    """What the fits are compared by; known when the first network is there."""

    def __init__(self, score: str, mode: str) -> None:
        if mode not in ("auto", "min", "max"):
            raise ConfigError(f'mode must be "auto", "min" or "max", got {mode!r}')
        self.score, self.mode = score, mode

    @property
    def largest(self) -> bool:
        """Whether the largest score is the best."""
        return self.mode == "max"

    def check(self, network: Network) -> None:
        """Check that the network has such a log, and find out what is better.

        Raises:
            ConfigError: it has not, or nobody knows.
        """
        trainer = trainer_for(network)
        if self.score not in trainer.value_names():
            raise ConfigError(
                f"there is no log {self.score!r} to compare by; there are {trainer.value_names()}"
            )
        if self.mode == "auto":
            direction = trainer.compiled.direction(self.score)
            if direction is None:
                raise ConfigError(
                    f'say whether the best {self.score!r} is the smallest or the largest: mode="min" or "max"'
                )
            self.mode = "max" if direction == "up" else "min"


class _Plan:
    """A setting, and which of its entries are whose."""

    def __init__(self, build: Callable[..., Network], settings: Settings, given: Mapping[str, Any]) -> None:
        self.build, self.settings = build, settings
        parameters = inspect.signature(build).parameters
        takes_any = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())
        for name in settings:
            if not takes_any and name not in parameters and name not in given:
                near = suggestion(name, [*parameters, *given])
                raise ConfigError(f"neither build nor fit has an argument {name!r}{near}")
        self.to_fit = {k: v for k, v in settings.items() if not takes_any and k not in parameters}
        self.to_build = {k: v for k, v in settings.items() if k not in self.to_fit}
        self.given = {**given, **self.to_fit}


class _Job:
    """One fit: a plan, a seed and a fold."""

    def __init__(self, plan: _Plan, seed: int, fold: Fold) -> None:
        self.plan, self.seed, self.fold = plan, seed, fold

    def begun(self, compared: _Comparison) -> Callable[[], tuple[dict[str, float], float]]:
        """Build the network; what remains can be done in any thread."""
        return partial(self._run, self._attempt(self._network, compared))

    def _network(self, compared: _Comparison) -> Network:
        set_random_seed(self.seed)
        network = self.plan.build(**self.plan.to_build)
        if not isinstance(network, Network):
            raise ConfigError(f"build must return a compiled network, got {network!r}")
        begin(network, self.fold[0]["x"], None)
        compared.check(network)
        return network

    def _run(self, network: Network) -> tuple[dict[str, float], float]:
        return self._attempt(self._scored, network)

    def _scored(self, network: Network) -> tuple[dict[str, float], float]:
        started = time.perf_counter()
        train, held = self.fold
        given = dict(self.plan.given) | train
        if given["callbacks"] is not None:
            given |= {"callbacks": given["callbacks"](), "validation_data": tuple(held.values())}
        fit(network, FitArguments.checked(**given, verbose=0))
        logs = network.evaluate(**held, verbose=0, return_dict=True)
        return logs, time.perf_counter() - started

    def _attempt(self, function: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return function(*arguments)
        except Exception as error:
            new = named(error, f"setting {dict(self.plan.settings)!r}")
            raise new from (error if new is not error else None)


def _all_settings(settings: Any) -> list[Settings]:
    """Every setting: the combinations of a dict's values, or the settings themselves.

    Raises:
        ConfigError: there is none, or something is no setting.
    """
    if isinstance(settings, Mapping):
        for name, values in settings.items():
            if isinstance(values, str) or not isinstance(values, Iterable):
                raise ConfigError(f"settings[{name!r}] must be a list of values, got {values!r}")
        found: list[Settings] = [dict(zip(settings, v, strict=True)) for v in product(*settings.values())]
    else:
        found = list(settings)
    for setting in found:
        if not isinstance(setting, Mapping):
            raise ConfigError(f"a setting is a dict of arguments for build, got {setting!r}")
    if not found:
        raise ConfigError("settings has no setting to try")
    return found
