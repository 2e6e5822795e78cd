"""Keras's ``saving`` module: ``foldnet.saving.load_model``."""

from foldnet.files import load_model, save_model

__all__ = ["load_model", "save_model"]
