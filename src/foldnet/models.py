"""Keras's ``models`` module: ``from foldnet.models import Model, Sequential, load_model``."""

from foldnet.files import load_model
from foldnet.network import Model, Sequential

__all__ = ["Model", "Sequential", "load_model"]
