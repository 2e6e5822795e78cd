"""foldnet: explain, fold, prove and ship Keras networks, without a framework.

The names below are the public ones; each is imported when first used, so that ``import foldnet`` costs little.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from foldnet import activations as activations
    from foldnet import backend as backend
    from foldnet import callbacks as callbacks
    from foldnet import constraints as constraints
    from foldnet import initializers as initializers
    from foldnet import layers as layers
    from foldnet import losses as losses
    from foldnet import metrics as metrics
    from foldnet import models as models
    from foldnet import ops as ops
    from foldnet import optimizers as optimizers
    from foldnet import random as random
    from foldnet import regularizers as regularizers
    from foldnet import saving as saving
    from foldnet import utils as utils
    from foldnet.errors import FoldnetError as FoldnetError
    from foldnet.files import from_keras as from_keras
    from foldnet.files import load_model as load_model
    from foldnet.insight.doctor import doctor as doctor
    from foldnet.insight.explain import explain as explain
    from foldnet.insight.statistics.recalibrate import recalibrate as recalibrate
    from foldnet.insight.verify import verify as verify
    from foldnet.layers import Input as Input
    from foldnet.network import Model as Model
    from foldnet.predictor import Predictor as Predictor
    from foldnet.predictor import freeze as freeze
    from foldnet.predictor import load_predictor as load_predictor
    from foldnet.scale import predict_parts as predict_parts
    from foldnet.sequential import Sequential as Sequential
    from foldnet.sklearn import FoldnetClassifier as FoldnetClassifier
    from foldnet.sklearn import FoldnetRegressor as FoldnetRegressor
    from foldnet.tracing import trace as trace
    from foldnet.training.many import fit_many as fit_many
    from foldnet.training.sweep import sweep as sweep

__version__ = "0.1.0"

_HOMES = {
    "FoldnetError": "foldnet.errors",
    "Input": "foldnet.layers",
    "Model": "foldnet.network",
    "Predictor": "foldnet.predictor",
    "Sequential": "foldnet.sequential",
    "doctor": "foldnet.insight.doctor",
    "explain": "foldnet.insight.explain",
    "fit_many": "foldnet.training.many",
    "freeze": "foldnet.predictor",
    "from_keras": "foldnet.files",
    "load_model": "foldnet.files",
    "load_predictor": "foldnet.predictor",
    "predict_parts": "foldnet.scale",
    "recalibrate": "foldnet.insight.statistics.recalibrate",
    "sweep": "foldnet.training.sweep",
    "trace": "foldnet.tracing",
    "verify": "foldnet.insight.verify",
}
# Keras has its bases here, too; not in __all__, for they are foldnet's only in their own modules.
_BASES = {
    "Layer": "foldnet.layers", "Loss": "foldnet.losses", "Metric": "foldnet.metrics",
    "Optimizer": "foldnet.optimizers", "Initializer": "foldnet.initializers", "Regularizer": "foldnet.regularizers",
}  # fmt: skip
# Not in __all__: `from foldnet import *` must not need scikit-learn.
_ESTIMATORS = {"FoldnetClassifier": "foldnet.sklearn", "FoldnetRegressor": "foldnet.sklearn"}
_MODULES = (
    "activations", "backend", "callbacks", "constraints", "initializers", "layers", "losses", "metrics", "models",
    "ops", "optimizers", "random", "regularizers", "saving", "utils",
)  # fmt: skip

__all__ = ["__version__", *_HOMES, *_MODULES]


def __getattr__(name: str) -> Any:
    if home := (_HOMES | _BASES | _ESTIMATORS).get(name):
        value = getattr(import_module(home), name)
    elif name == "config":  # Keras has dtype and epsilon in two places
        value = import_module("foldnet.backend")
    elif name in _MODULES:
        value = import_module(f"foldnet.{name}")
    else:
        raise AttributeError(f"module 'foldnet' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
