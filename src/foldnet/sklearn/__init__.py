"""foldnet's networks as scikit-learn estimators: ``FoldnetClassifier`` and ``FoldnetRegressor``.

They need scikit-learn; install ``foldnet[sklearn]``.
"""

from __future__ import annotations

try:
    import sklearn as _sklearn  # noqa: F401 - asked for first, so that its absence is told in one sentence
except ImportError as error:
    raise ImportError(
        "foldnet.sklearn needs scikit-learn 1.6 or later: pip install 'foldnet[sklearn]'"
    ) from error

from foldnet.sklearn.classifier import FoldnetClassifier
from foldnet.sklearn.regressor import FoldnetRegressor

__all__ = ["FoldnetClassifier", "FoldnetRegressor"]
