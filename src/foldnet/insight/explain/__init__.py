"""``explain``: what each layer computes, in training and at prediction time, in words, pictures and numbers."""

from foldnet.insight.explain.describe import explain
from foldnet.insight.explain.explanation import Explanation

__all__ = ["Explanation", "explain"]
