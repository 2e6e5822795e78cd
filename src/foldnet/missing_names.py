"""Keras's names that foldnet does not have, and what to use instead."""

from __future__ import annotations

_OWN_LOSS = "write it with foldnet.ops, as a function of y_true and y_pred that gives one number per row"
_OF_PICTURES = "predict, and count with scikit-learn's jaccard_score"

INSTEAD: dict[str, dict[str, str]] = {
    "callbacks": {
        "BackupAndRestore": "ModelCheckpoint saves the optimizer's state with the network, and fit continues from it",
        "OrbaxCheckpoint": "ModelCheckpoint, which writes .keras files",
        "ProgbarLogger": "fit shows its progress by verbose=1",
        "RemoteMonitor": "send the logs with a LambdaCallback",
        "SwapEMAWeights": "with use_ema=True the averages replace the weights at the end of fit",
        "TensorBoard": "CSVLogger writes the same numbers, and fit(monitor='normalization') draws them",
    },
    "losses": dict.fromkeys(
        ("CTC", "Circle", "Dice", "Tversky", "circle", "ctc", "dice", "tversky"), _OWN_LOSS
    ),
    "metrics": dict.fromkeys(("BinaryIoU", "IoU", "MeanIoU", "OneHotIoU", "OneHotMeanIoU"), _OF_PICTURES),
    "optimizers": {
        "Adafactor": "AdamW; Adafactor saves memory that small networks do not need",
        "LossScaleOptimizer": "the optimizer itself; float32 needs no scale",
        "MultiOptimizer": "one optimizer, with trainable=False or two fits for layers that need different treatment",
        "OptimizerMap": "one optimizer, with trainable=False or two fits for layers that need different treatment",
        "Muon": "AdamW; Muon is for the large matrices of language models",
    },
}
"""By module and name."""


def absent(module: str, name: str) -> AttributeError:
    """The error for a name that a module does not have, with what to use instead of Keras's."""
    instead = INSTEAD.get(module, {}).get(name)
    return AttributeError(
        f"module 'foldnet.{module}' has no attribute {name!r}" + (f"; instead: {instead}" if instead else "")
    )
