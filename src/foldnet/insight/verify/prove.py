"""``verify``: does a candidate compute the network, and would mistakes have been visible."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from foldnet.arrays import Array
from foldnet.errors import InputError
from foldnet.graph.graph import Graph
from foldnet.insight.arguments import positive, whole
from foldnet.insight.oracle import FACTOR, RUNS, Oracle, row_scale
from foldnet.insight.rows import read_rows
from foldnet.insight.sites import Site, sites_of
from foldnet.insight.verify.candidates import adapt
from foldnet.insight.verify.common_mistakes import common_mistakes
from foldnet.insight.verify.comparison import Answers, Point, compare, largest, run_candidate
from foldnet.insight.verify.diagnosis import TellApart, diagnose
from foldnet.insight.verify.probe import make_inputs
from foldnet.insight.verify.sight import VISIBLE, ExactValues, Sight
from foldnet.insight.verify.text_rows import TextRows, given_rows
from foldnet.insight.verify.verification import LayerResult, Status, Verification
from foldnet.lowering.lower import lower
from foldnet.network import Network

MEASURED = (
    f"{FACTOR:g} x the rounding seen in a float32 run and {RUNS} runs with random rounding, so at least "
    f"{FACTOR:g} ULP of the row's largest value"
)


def verify(
    candidate: object,
    model: object,
    x: object = None,
    *,
    tolerance: float | None = None,
    rows: int = 1024,
    seed: int = 0,
    pair_seconds: float = 3.0,
) -> Verification:
    """Compare a candidate with the float64 reference of a network, and report which mistakes would be visible.

    If they differ, it reports the first layer that differs and the known mistakes that give the candidate's numbers.

    Args:
        candidate: a Predictor, a function from rows to predictions, the path of an exported ``.py`` file, of an
            exported C directory, of a saved predictor or of another network, or a live Keras model. A function
            for a network with several inputs gets them as arguments, or as one list if it has one parameter. It may
            show its steps by ``foldnet.trace``, or be a generator of pairs (layer's name, value). The candidate can
            also be the numbers for ``x``: predictions as an array or ``.npy`` file, or layers' values as a dict by
            layer, as an iterator of such pairs, or as an ``.npz`` file.
        model: the network, or the path of its file.
        x: rows to compare on (a list or dict of arrays for several inputs). Without it, rows are generated
            for which every layer has a visible effect, if possible; those of texts hold all that the layers know, and
            others.
        tolerance: the largest difference allowed, relative to 1 or to the row's largest value where that is
            more; by default it is measured from the network's own rounding errors.
        rows: the largest number of rows to use of ``x``, evenly spread.
        seed: of the generated rows.
        pair_seconds: how long to search for two mistakes at once, if no single one explains the numbers.

    Returns:
        A Verification: ``ok``, ``layers``, and its table as text.

    Raises:
        ConfigError: ``rows``, ``seed``, ``tolerance`` or ``pair_seconds`` is not such a number.
        InputError: ``x`` does not fit the network, the candidate cannot predict, or it names layers
            that the network does not have.
        CompileError: the candidate is a C export, and there is no compiler.
        UnsupportedError: the network cannot be computed exactly.

    >>> from foldnet import Sequential, layers
    >>> model = Sequential([layers.Input((2,)), layers.Dense(1)])
    >>> kernel, bias = model.get_weights()
    >>> verify(lambda x: x @ kernel + bias, model).ok
    True
    >>> verify(lambda x: x @ -kernel + bias, model).ok
    False
    """
    rows, seed = whole("rows", rows, 1), whole("seed", seed, 0)
    pair_seconds = positive("pair_seconds", pair_seconds, zero=True)
    tolerance = None if tolerance is None else positive("tolerance", tolerance)
    network = _network(model)
    examined = adapt(candidate)
    graph = lower(network)
    sight = Sight(Oracle(graph), sites_of(network, graph))
    if x is None and examined.of_given_rows:
        raise InputError("give x, the rows for which these numbers were computed")
    if x is None:
        inputs, how = make_inputs(sight, seed)
        texts, chosen = TextRows(graph), None
        shown = texts.shown(inputs)
    else:
        inputs, shown, how, chosen = _given(graph, x, rows)
        texts = TextRows(graph, shown)
    values = sight.oracle.values(inputs)
    answers = run_candidate(
        examined, inputs if examined.takes_codes else shown, [values[n] for n in graph.outputs]
    )
    answers = _of_rows(
        _by_path(sight, answers, examined.own_names), chosen if examined.of_given_rows else None
    )
    exact = _exact(sight, answers, inputs, values, tolerance)
    points = _points(sight, answers, exact, examined.own_layers)
    layers = tuple(_judge(sight, site, points, exact) for site in sight.sites)
    order = {s.output: i for i, s in enumerate(sight.sites)}
    departs, message = _message(order, points)
    in_order = {name: points[name] for name in sorted(points, key=lambda n: order.get(n, len(order)))}
    findings = common_mistakes(
        examined, answers, exact, graph.outputs, {s.output: s.path for s in sight.sites}, shown
    )
    if not findings.certain:
        # A mistake in a layer that gives exactly these numbers is better evidence than a pattern in the numbers.
        seconds = 0.0 if findings.diagnoses else pair_seconds
        deeper = diagnose(sight, in_order, exact, tolerance=tolerance, seconds=seconds, seed=seed)
        findings = deeper if deeper.diagnoses or not findings.diagnoses else findings
    return Verification(
        ok=not answers.trouble and all(p.agrees for p in points.values()),
        layers=layers,
        candidate=examined.description,
        model=network.name,
        inputs=how,
        rows=len(inputs[0]),
        tolerance=MEASURED if tolerance is None else f"{tolerance:g} of the row's largest value, or of 1",
        message=". ".join(text for text in (answers.trouble or message, findings.sentence) if text),
        diagnoses=findings.diagnoses,
        departs=departs,
        searched=findings.searched,
        tell_apart=_as_shown(findings.tell_apart, texts),
    )


def _network(model: object) -> Network:
    if isinstance(model, Network):
        return model
    if isinstance(model, str | Path):
        from foldnet.files import load_model

        return load_model(model)
    raise InputError(f"model is a network or the path of its file, not a {type(model).__name__}")


def _given(graph: Graph, x: object, rows: int) -> tuple[list[Array], list[Array], str, Array | None]:
    """The caller's rows (at most ``rows``).

    Returns:
        What the network computes on, what the candidate gets, a description, and the rows' indices if not all are used.
    """
    inputs = read_rows(graph, x)
    shown = given_rows(graph, x, inputs)
    count = len(inputs[0])
    if count <= rows:
        return inputs, shown, f"the {count} given", None
    chosen = np.linspace(0, count - 1, rows).round().astype(int)
    how = f"{rows:,} of the {count:,} given, evenly spread"
    return [a[chosen] for a in inputs], [a[chosen] for a in shown], how, chosen


def _as_shown(row: TellApart | None, texts: TextRows) -> TellApart | None:
    """The row that tells explanations apart, with its texts."""
    if row is None:
        return None
    return replace(row, x=[part.tolist() for part in texts.shown([np.array(codes) for codes in row.x])])


def _by_path(sight: Sight, answers: Answers, own_names: bool) -> Answers:
    """The answers with layers by their calls' paths; for a nested network, the layer that computes its result."""
    paths = {s.path: s.path for s in sight.sites}
    makers = {s.output: s.path for s in sight.sites}
    aliases = {n: makers[v] for n, v in sight.oracle.graph.layer_outputs.items() if v in makers} | paths
    unknown = [name for name in answers.layers if name not in aliases]
    if unknown and not own_names:
        raise InputError(
            f"the candidate shows a value for {', '.join(map(repr, unknown))}, which the network does not have; its "
            f"layers are {', '.join(paths)}"
        )
    known = {aliases[name]: value for name, value in answers.layers.items() if name in aliases}
    return replace(answers, layers=known)


def _of_rows(answers: Answers, chosen: Array | None) -> Answers:
    """The chosen rows of numbers given for all rows."""
    if chosen is None:
        return answers

    def take(value: Array) -> Array:
        return value[chosen] if value.ndim and len(value) > chosen.max() else value

    outputs = None if answers.outputs is None else [take(v) for v in answers.outputs]
    return replace(answers, outputs=outputs, layers={k: take(v) for k, v in answers.layers.items()})


def _exact(
    sight: Sight,
    answers: Answers,
    inputs: Sequence[Array],
    values: Mapping[str, Array],
    tolerance: float | None,
) -> ExactValues:
    names = [*sight.oracle.graph.outputs, *(s.output for s in sight.sites if s.path in answers.layers)]
    if tolerance is None:
        return ExactValues(inputs, values, sight.oracle.tolerances(inputs, values, names))
    return ExactValues(inputs, values, {n: tolerance * np.maximum(1.0, row_scale(values[n])) for n in names})


def _points(sight: Sight, answers: Answers, exact: ExactValues, own_layers: bool) -> dict[str, Point]:
    """Everything that is compared, in computing order: shown layers, then outputs.

    An output that is also shown as a layer is compared as the output; but if the shown value is wrong (the candidate
    contradicts itself), the shown value is compared.
    """
    points: dict[str, Point] = {}
    for site in sight.sites:
        if site.path in answers.layers and site.operands:
            point = compare(site.output, site.path, answers.layers[site.path], exact, own_layers)
            if site.output not in points or not point.agrees:
                points[site.output] = point
    paths = {s.output: s.path for s in sight.sites}
    if answers.outputs is None and answers.layers and not answers.trouble:
        return points  # it shows only layers, no outputs
    for i, name in enumerate(sight.oracle.graph.outputs):
        value = None if answers.outputs is None else answers.outputs[i]
        point = compare(name, paths.get(name, name), value, exact, own=True)
        if name not in points or points[name].agrees:
            points[name] = point
    return points


def _judge(sight: Sight, site: Site, points: Mapping[str, Point], exact: ExactValues) -> LayerResult:
    own = [name for name, p in points.items() if p.own]
    agreeing = [name for name in own if points[name].agrees]
    mistakes, trusted = {}, {}
    for suspect in sight.suspects:
        if suspect.site.path == site.path:
            errors = sight.visible(suspect, exact, own)
            mistakes[suspect.mistake.name] = max((largest(errors[n]) for n in own), default=0.0)
            trusted[suspect.mistake.name] = max((largest(errors[n]) for n in agreeing), default=0.0)
    unseen = tuple(name for name, error in trusted.items() if error <= VISIBLE)
    leads_to = [n for n in sight.oracle.graph.outputs if n in points and n in sight.reached_from(site.output)]
    point = points.get(site.output) or max((points[n] for n in leads_to), key=lambda p: p.worst, default=None)
    itself = site.output in points and bool(site.operands)
    status: Status = "unproven" if unseen else "proven"
    if itself and not points[site.output].agrees:
        status = "failed"
    elif not mistakes and any(not points[n].agrees for n in leads_to):
        status = "unproven"
    return LayerResult(
        name=site.path,
        kind=site.kind,
        max_abs=point.max_abs if point else 0.0,
        max_rel=point.max_rel if point else 0.0,
        max_ulp=point.max_ulp if point else 0.0,
        sight=min(mistakes.values(), default=None),
        status=status,
        compared_at=site.path if itself else point.path if point else "",
        mistakes=mistakes,
        unseen=unseen,
        note=_note(sight, site, status, mistakes, unseen, points),
    )


def _note(
    sight: Sight,
    site: Site,
    status: Status,
    mistakes: Mapping[str, float],
    unseen: Sequence[str],
    points: Mapping[str, Point],
) -> str:
    if status == "failed":
        return points[site.output].trouble
    if not mistakes:
        return "computes nothing at prediction time, so no mistake with it is possible"
    if not unseen:
        return ""
    reached = sight.reached_from(site.output)
    graph = sight.oracle.graph
    for node in graph.nodes:
        value = node.op.always(*(graph.types[v].shape for v in node.inputs))
        if value is None:
            continue
        kind = type(node.op).__name__.lower()
        if site.output != node.output and node.inputs[0] in reached | {site.output}:
            return f"{kind} over one unit ({node.layer!r}) is always {value:g}, so nothing before it can show"
        if node.layer == site.path:
            return f"{kind} over one unit is always {value:g}, so nothing in this layer but the {kind} itself can show"
    seen_if_right = [name for name in unseen if mistakes[name] > VISIBLE]
    if seen_if_right:
        return "what follows it does not agree, so nothing can be said about it"
    return "would not show: " + ", ".join(unseen)


def _message(order: Mapping[str, int], points: Mapping[str, Point]) -> tuple[str, str]:
    """The layer at which the candidate first differs, and a sentence about it; empty if it agrees."""
    failed = sorted((n for n, p in points.items() if not p.agrees), key=lambda n: order.get(n, len(order)))
    if not failed:
        return "", ""
    first = points[failed[0]]
    if first.trouble:
        return first.path, f"first differs at {first.path!r}: {first.trouble}"
    return first.path, (
        f"first differs at {first.path!r}: by {first.max_abs:.3g}, {first.worst:.3g} times the tolerance "
        f"({first.max_ulp:.3g} ULP)"
    )
