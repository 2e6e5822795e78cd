"""The data for all checks: the network, its calls and compile settings, and the caller's data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from foldnet.arrays import Array
from foldnet.errors import ConfigError, FoldnetError, UnsupportedError
from foldnet.graph.free_axes import free_axes
from foldnet.graph.graph import Graph, bind
from foldnet.insight.doctor.given import check_given, numbers, only_targets, read_validation, row_count
from foldnet.insight.doctor.history import own_history, read_history
from foldnet.insight.doctor.weights import read_weights
from foldnet.insight.sites import Site, opened, sites_and_results
from foldnet.layers.base import Layer
from foldnet.lowering.lower import Normalized, lower_and_note
from foldnet.naming import snake_case
from foldnet.network import Network

if TYPE_CHECKING:
    from foldnet.insight.doctor.checks.labels import Labels
    from foldnet.insight.doctor.comparison import Comparison
    from foldnet.insight.doctor.judgement import Effect
    from foldnet.insight.doctor.measure import Measurement
    from foldnet.insight.doctor.task import Task


@dataclass
class LossSetting:
    """The name of a loss's Keras function, and its settings."""

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def from_logits(self) -> bool:
        """Whether it takes logits instead of probabilities."""
        return bool(self.settings.get("from_logits"))


class Context:
    """Everything that a check may use.

    Args:
        network: built.
        x: rows of data, or None.
        y: targets, or None.
        sample_weight: how much each row counts, as in ``fit``, or None.
        class_weight: how much the rows of each class count, or None.
        steps: number of training steps, if known; by default the optimizer's count.
        script: path or text of the training script, or None.
        candidate: a prediction function that should equal the network, or None.
        history: of the training, as for ``read_history``; by default the one that the network kept, if any.
        validation_data: ``(x, y)`` or ``(x, y, sample_weight)``, or None.

    Raises:
        ConfigError: class weights that are none, or both kinds of weights.
        InputError: the history or the validation data are of another form, a dict of data has other names, or weights
            do not fit the rows.
    """

    def __init__(
        self,
        network: Network,
        x: object = None,
        y: object = None,
        *,
        sample_weight: object = None,
        class_weight: object = None,
        steps: int | None = None,
        script: object = None,
        candidate: Any = None,
        history: object = None,
        validation_data: object = None,
    ) -> None:
        check_given(network, x, y)
        self.network, self.x, self.y = network, x, only_targets(network, y)
        self.script, self.candidate = script, candidate
        self.history: Mapping[str, list[float]] | None = (
            own_history(network) if history is None else read_history(history)
        )
        # Taken unchanged: a file's settings may be unknown to foldnet, so no trainer is built from them here.
        self._trainer = network._trainer
        self.steps = steps or self._counted()
        # Without a graph: the doctor also sees networks that cannot be lowered. Values are named by their calls.
        sites, results = sites_and_results(network)
        self.sites = list(opened(sites))
        self.site = {s.path: s for s in self.sites}
        self.outputs = [self.site[path] for path in results]
        self.weights = read_weights(network, sample_weight, class_weight, self.targets, self.row_count)
        self.validation_data = read_validation(network, validation_data, any(self.losses))

    def _counted(self) -> int | None:
        """The number of steps according to the optimizer, live or in the file."""
        if self._trainer is not None:
            return int(self._trainer.compiled.optimizer.steps) or None
        saved = self.network.saved_training
        counters = [] if saved is None or saved.state is None else [
            a for a in saved.state if a.shape == () and a.dtype.kind in "iu"
        ]  # fmt: skip
        return int(counters[0]) or None if counters else None

    @cached_property
    def _readers(self) -> dict[str, list[Site]]:
        readers: dict[str, list[Site]] = {}
        for site in self.sites:
            for path in site.operands:
                readers.setdefault(path, []).append(site)
        return readers

    def readers(self, path: str) -> list[Site]:
        """The calls that read a result."""
        return self._readers.get(path, [])

    @property
    def normalizations(self) -> list[Site]:
        """The calls of BatchNormalization."""
        return [s for s in self.sites if s.layer.normalizes_by == "batch"]

    def back(self, site: Site, through: Callable[[Layer], bool]) -> Site | None:
        """The nearest call before this one that ``through`` does not skip, on a path without branches."""
        while len(site.operands) == 1 and site.operands[0] in self.site:
            site = self.site[site.operands[0]]
            if not through(site.layer):
                return site
        return None

    @cached_property
    def trained(self) -> bool:
        """Whether there is evidence of training: steps, or a bias or gain that differs from its usual initial value."""
        return bool(self.steps) or self.moved

    @cached_property
    def moved(self) -> bool:
        """Whether a bias or gain differs from its usual initial value."""
        starts = {"bias": 0.0, "beta": 0.0, "gamma": 1.0}
        return any(
            bool((value != starts[name]).any())
            for site in self.sites
            for name, value in site.layer.named_weights.items()
            if name in starts
        )

    # -- compile settings -----------------------------------------------------------------------------------

    @cached_property
    def losses(self) -> list[LossSetting | None]:
        """The loss of each output; None if there is none, or if it is the user's own function."""
        count = len(self.network.outputs)
        if self._trainer is not None:
            return [_live(loss) for loss in self._trainer.compiled.losses]
        stored = (self.network.compile_config or {}).get("loss")
        names = [t.name for t in self.network.outputs]
        if isinstance(stored, Mapping) and "class_name" not in stored:
            return [_stored(stored.get(n)) for n in names]
        if isinstance(stored, Sequence) and not isinstance(stored, str):
            return [_stored(entry) for entry in stored] if len(stored) == count else [None] * count
        return [_stored(stored)] * count

    @cached_property
    def metric_entries(self) -> Any:
        """The metrics of a network with one output as they were given: objects, or what a file has of them."""
        if len(self.network.outputs) != 1:
            return []
        if self._trainer is not None:
            compiled = self._trainer.compiled
            return [*compiled.metrics[0], *compiled.weighted_metrics[0]]
        stored = self.network.compile_config or {}
        return [stored.get("metrics"), stored.get("weighted_metrics")]

    @cached_property
    def metrics(self) -> list[str]:
        """The names of the metrics of a network with one output, as in Keras, such as ``"accuracy"``."""
        return list(metric_names(self.metric_entries))

    @cached_property
    def optimizer_settings(self) -> Mapping[str, Any]:
        """The optimizer's settings, as far as known."""
        if self._trainer is not None:
            optimizer = self._trainer.compiled.optimizer
            return {"use_ema": bool(getattr(optimizer, "use_ema", False))}
        stored = self.network.compile_config or {}
        for key in ("optimizer", "optimizer_config"):
            entry = stored.get(key)
            if isinstance(entry, Mapping):
                config = entry.get("config")
                return config if isinstance(config, Mapping) else {}
        return {}

    # -- data -----------------------------------------------------------------------------------------------

    @cached_property
    def lowered(self) -> tuple[Graph, list[Normalized]]:
        """The network as a prediction program before any pass, and its calls of BatchNormalization.

        Raises:
            UnsupportedError: the network cannot be computed.
        """
        return lower_and_note(self.network)

    @cached_property
    def graph(self) -> Graph | None:
        """The same program with the sizes of the data where the network leaves them free; None if there is none."""
        try:
            graph = self.lowered[0]
            if not free_axes(graph):
                return graph
            return None if self.measurement is None else bind(graph, self.measurement.input_shapes)
        except (ConfigError, UnsupportedError):
            return None

    @cached_property
    def value_names(self) -> Mapping[str, str]:
        """By what calls read, paths of calls and names of inputs, the values of the program."""
        graph = self.lowered[0]
        inputs = zip((t.name for t in self.network.inputs), graph.inputs, strict=True)
        return {**dict(inputs), **graph.layer_outputs}

    @cached_property
    def measurement(self) -> Measurement | None:
        """The network computed on the data, layer by layer; None without data or if it cannot be computed."""
        if self.x is None:
            return None
        from foldnet.insight.doctor.measure import Measurement

        try:
            return Measurement(self)
        except UnsupportedError as error:
            self.unmeasured = str(error)
            return None

    @property
    def measured(self) -> Measurement:
        """The same for a check that ``measures``, which is made only where there is one."""
        assert self.measurement is not None
        return self.measurement

    @cached_property
    def effects(self) -> dict[frozenset[str], Effect]:
        """The effects that were measured, by the normalizations that were corrected; see ``judgement.py``."""
        return {}

    unmeasured = ""
    """Why the network could not be computed on the data."""

    @cached_property
    def targets(self) -> Array | None:
        """Targets of the first output as float64, if they are numbers, one row for each row of data."""
        if self.y is None or len(self.network.outputs) != 1:
            return None
        return numbers(self.y, self.outputs[0].shape)

    @cached_property
    def counted_targets(self) -> Array | None:
        """The same without rows of weight 0."""
        targets = self.targets
        if targets is None or self.weights is None or targets.shape[:1] != self.weights.counts.shape:
            return targets
        return targets[self.weights.counts]

    @cached_property
    def row_count(self) -> int | None:
        """The number of rows of data, if that is known."""
        return None if self.x is None else row_count(self.network, self.x)

    @cached_property
    def task(self) -> Task | None:
        """What the network is to predict; None without targets that fit its only output."""
        from foldnet.insight.doctor.task import task_of

        return task_of(self)

    @cached_property
    def comparison(self) -> Comparison | None:
        """The network beside a simple fit; None where that says nothing."""
        from foldnet.insight.doctor.comparison import simple_comparison

        return simple_comparison(self)

    @cached_property
    def labels(self) -> Labels | None:
        """The targets beside their loss; None without targets that fit the only output."""
        from foldnet.insight.doctor.checks.labels import labels_of

        return labels_of(self)


def metric_names(entry: Any) -> Iterator[str]:
    """The names of metrics as they were given, as in Keras."""
    if isinstance(entry, str):
        yield snake_case(entry)
    elif isinstance(entry, Mapping):
        yield from metric_names(entry.get("class_name") or list(entry.values()))
    elif isinstance(entry, Sequence):
        for part in entry:
            yield from metric_names(part)
    elif entry is not None:
        # An object of a class, or a function.
        yield snake_case(getattr(entry, "__name__", type(entry).__name__))


def _live(loss: Any) -> LossSetting | None:
    from foldnet.training.losses import FUNCTIONS

    name = getattr(getattr(loss, "function", None), "__name__", "")
    return LossSetting(name, dict(loss.settings)) if name in FUNCTIONS else None


def _stored(entry: object) -> LossSetting | None:
    if entry is None:
        return None
    from foldnet.training.losses import get

    try:
        return _live(get(entry))
    except (FoldnetError, TypeError):  # the user's own loss, or one that foldnet does not have
        return None
