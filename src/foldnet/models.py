"""Keras's ``models`` module: ``from foldnet.models import Model, Sequential, load_model``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from foldnet.files import load_model, save_model
from foldnet.network import Model
from foldnet.sequential import Sequential

if TYPE_CHECKING:
    from foldnet.cloning import clone_model
    from foldnet.files.architecture import model_from_json

__all__ = ["Model", "Sequential", "clone_model", "load_model", "model_from_json", "save_model"]


def __getattr__(name: str) -> Any:  # names that few scripts use are loaded on first use
    if name == "clone_model":
        from foldnet.cloning import clone_model

        return clone_model
    if name == "model_from_json":
        from foldnet.files.architecture import model_from_json

        return model_from_json
    raise AttributeError(f"module 'foldnet.models' has no attribute {name!r}")
