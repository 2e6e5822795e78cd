"""The type of an array, for annotations everywhere: NumPy's, of any shape and dtype."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
