"""What users' classes may do in Keras, but not in foldnet."""

from __future__ import annotations

from foldnet.errors import UnsupportedError

CODE = ("call", "train_step", "test_step", "predict_step", "compute_loss", "compute_metrics")
"""Methods with which a Keras subclass runs its own code."""

INSTEAD = {
    "add_loss": "; foldnet trains by the losses of compile and by regularizers: give one of those",
    "add_metric": "; give the metrics to compile",
    "add_weight": "; foldnet compiles its own layers only, so a layer with new weights cannot be made",
}
"""What to do instead of calling methods that foldnet's layers and networks do not have."""

_NUMBERS = "and begin the network with an integer Input, such as that of the Embedding that follows"
_WORDS = (
    "cuts texts into words, which foldnet does not. Do that in your own code, and begin the network with "
    'StringLookup(vocabulary=words, mask_token=""), which has the same indices'
)
_HASHES = (
    f"hashes its input, which foldnet does not compute. Compute the indices in your own code, {_NUMBERS}"
)
_HISTOGRAM = (
    "changes images by the histogram of each, which foldnet does not compute. Change the images before the network, "
    "and begin it after this layer"
)
_SIZES = (
    "makes images of random sizes in training and is nothing at prediction time; leave it out of the network"
)
_SPECTRA = (
    "computes spectra of sounds, which foldnet does not. Compute them in your own code, and begin the network after "
    "this layer"
)
NOT_HERE = {
    "TextVectorization": _WORDS,
    "HashedCrossing": _HASHES,
    "Equalization": _HISTOGRAM,
    "ContrastLimitedAdaptiveHistogramEqualization": _HISTOGRAM,
    "RandomHeight": _SIZES,
    "RandomWidth": _SIZES,
    "STFTSpectrogram": _SPECTRA,
    "MelSpectrogram": _SPECTRA,
}
"""Layers of Keras that foldnet does not have: why, and what to do instead."""


def _is_ours(method: object) -> bool:
    return str(getattr(method, "__module__", "")).split(".")[0] == "foldnet"


def refuse_code(cls: type) -> None:
    """Refuse a user's class that computes in Python, since that cannot be compiled.

    Raises:
        UnsupportedError: it names class and method.
    """
    found = next((name for name in CODE if hasattr(cls, name) and not _is_ours(getattr(cls, name))), None)
    if found is not None:
        raise UnsupportedError(
            f"class {cls.__name__} defines {found}(), which is Python code; foldnet compiles networks of its own "
            "layers, so it would not be run. Join layers: x = Input((4,)); model = Model(x, Dense(1)(x)), and give "
            "what is special in the training to compile (a loss of foldnet.ops) or to a callback"
        )
