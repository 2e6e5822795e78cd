"""StringLookup against what Keras computes with TensorFlow (scripts/make_text_fixtures.py)."""

import json
from pathlib import Path

import numpy as np
import pytest

import foldnet
from foldnet.errors import ConfigError, FileFormatError, InputError, UnsupportedError
from foldnet.farmhash import fingerprint
from foldnet.layers import Dense, Embedding, Flatten, Input, StringLookup
from foldnet.network import Model
from foldnet.sequential import Sequential
from scripts.make_text_fixtures import text_of

FOLDER = Path(__file__).parents[1] / "fixtures" / "texts"
