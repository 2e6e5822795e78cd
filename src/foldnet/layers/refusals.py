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
