"""What a network does, said and proved: ``explain`` and ``verify``."""

from foldnet.insight.describe import explain
from foldnet.insight.explanation import Explanation
from foldnet.insight.prove import verify
from foldnet.insight.verification import Verification

__all__ = ["Explanation", "Verification", "explain", "verify"]
