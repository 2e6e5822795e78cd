"""The error for classes in a file that foldnet does not have: all of them at once, with advice that holds for each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence

from foldnet.errors import FoldnetError, UnsupportedError
from foldnet.files.dialects import Record, modern
from foldnet.layers.refusals import NOT_HERE

INNER = ("layer", "backward_layer", "cell")
"""The settings of wrappers in which their layers are stored."""

KERAS_LAYERS = frozenset({
    "AbstractRNNCell", "AdaptiveAveragePooling1D", "AdaptiveAveragePooling2D", "AdaptiveAveragePooling3D",
    "AdaptiveMaxPooling1D", "AdaptiveMaxPooling2D", "AdaptiveMaxPooling3D", "AdditiveAttention", "Attention",
    "AugMix", "AutoContrast", "Bidirectional", "CategoryEncoding", "CenterCrop",
    "ContrastLimitedAdaptiveHistogramEqualization", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D", "ConvRecurrent2D",
    "CuDNNGRU", "CuDNNLSTM", "CutMix", "DenseFeatures", "Discretization", "Equalization", "FlaxLayer", "GRU",
    "GRUCell", "GroupQueryAttention", "HashedCrossing", "Hashing", "Highway", "IntegerLookup", "JaxLayer",
    "LSTM", "LSTMCell", "LocallyConnected1D", "LocallyConnected2D", "MaxNumBoundingBoxes", "MaxoutDense",
    "MelSpectrogram", "MixUp", "MultiHeadAttention", "Pipeline", "RNN", "RandAugment", "RandomBrightness",
    "RandomColorDegeneration", "RandomColorJitter", "RandomContrast", "RandomCrop", "RandomElasticTransform",
    "RandomErasing", "RandomFlip", "RandomFourierFeatures", "RandomGaussianBlur", "RandomGrayscale",
    "RandomHeight", "RandomHue", "RandomInvert", "RandomPerspective", "RandomPosterization", "RandomRotation",
    "RandomSaturation", "RandomSharpness", "RandomShear", "RandomTranslation", "RandomWidth", "RandomZoom",
    "Resizing", "STFTSpectrogram", "SimpleRNN", "SimpleRNNCell", "Solarization", "StackedRNNCells",
    "StringLookup", "TFSMLayer", "TextVectorization", "TimeDistributed", "TorchModuleWrapper",
})  # fmt: skip
"""Layers of some release of Keras; those that foldnet has do not get into errors anyway."""


class MissingLayersError(UnsupportedError):
    """A file names classes that foldnet does not have; the message lists those of the whole file."""


def refusal(
    stored: object, dialect: int, known: Callable[[Record], bool], first: Record
) -> MissingLayersError:
    """The error that names every class of a configuration that is not known.

    Args:
        stored: the configuration.
        dialect: Keras's major version.
        known: whether foldnet, or the caller, has the class of a record.
        first: the record with which reading stopped.
    """
    found = {(r.class_name, r.name): r for r in (first, *_records(stored, dialect, known)) if not known(r)}
    by_class: dict[str, list[Record]] = defaultdict(list)
    for record in found.values():
        by_class[record.class_name].append(record)
    groups = list(by_class.values())
    return MissingLayersError(
        " ".join([_head(groups), *(text for text in map(_advice, _kinds(groups)) if text)])
    )


def _records(stored: object, dialect: int, known: Callable[[Record], bool]) -> Iterator[Record]:
    """The records in a configuration, also those in networks and wrappers; not those in what the caller replaces."""
    pending = [stored]
    while pending:
        value = pending.pop()
        if not isinstance(value, Mapping):
            continue
        try:
            record = modern(value, dialect)
        except FoldnetError:
            continue  # reading the file again reports it
        yield record
        layers = record.config.get("layers")
        if isinstance(layers, list):
            pending.extend(reversed(layers))
        inner = [record.config.get(key) for key in INNER]
        pending.extend(value for value in inner if isinstance(value, Mapping))


def _head(groups: Sequence[Sequence[Record]]) -> str:
    if len(groups) == 1 and len(groups[0]) == 1:
        (record,) = groups[0]
        origin = "" if record.is_keras else f" from {record.origin}"
        return f"layer {record.name!r} is a {record.class_name}{origin}, which foldnet cannot represent."
    counted = ", ".join(
        f"{group[0].class_name} ×{len(group)} ({_names([r.name for r in group])})" for group in groups
    )
    return f"the network has layers that foldnet cannot represent: {counted}."


def _names(names: Sequence[str]) -> str:
    shown = ", ".join(map(repr, names[:3]))
    return shown if len(names) <= 3 else f"{shown}, ..."


Kind = tuple[str, list[Record]]


def _kinds(groups: Sequence[Sequence[Record]]) -> list[Kind]:
    """One record of each class, by the kind of advice that holds for it."""
    kinds: dict[str, list[Record]] = {"Lambda": [], "refused": [], "Keras": [], "own": []}
    for group in groups:
        kinds[_kind(group[0])].append(group[0])
    return list(kinds.items())


def _kind(record: Record) -> str:
    name = record.class_name
    if name == "Lambda":
        return "Lambda"
    if not record.is_keras or name not in KERAS_LAYERS:
        return "own"
    return "refused" if name in NOT_HERE else "Keras"


def _advice(kind: Kind) -> str:
    what, records = kind
    if not records:
        return ""
    classes = ", ".join(r.class_name for r in records)
    one = len(records) == 1
    if what == "Lambda":
        name = records[0].name
        return (
            f"A Lambda is Python code in the file, which foldnet never runs. If it is an elementwise function of one "
            f"tensor, supply it: load_model(path, activations={{{name!r}: fn}}) with a NumPy function; otherwise "
            f"custom_objects={{{name!r}: make}}, where make gets its settings and returns a foldnet layer or a network."
        )
    if what == "refused":
        return " ".join(f"{r.class_name} {NOT_HERE[r.class_name]}." for r in records)
    supply = f"load_model(path, custom_objects={{{records[0].class_name!r}: make}})"
    make = "make gets the layer's settings as a dict and returns a foldnet layer or a small network"
    if what == "Keras":
        return (
            f"{classes} {'is a layer' if one else 'are layers'} of Keras that foldnet does not have; to build "
            f"{'it' if one else 'one'} from others, {supply}: {make}."
        )
    return (
        f"{classes} {'is' if one else 'are'} not one of Keras's layers, and the file does not hold what "
        f"{'it computes' if one else 'they compute'}. Supply {'it' if one else 'each'}: {supply}; {make}. An "
        f"elementwise function without weights may be given by activations={{{records[0].class_name!r}: fn}} instead."
    )
