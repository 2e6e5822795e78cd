"""What a network does, said and proved: ``explain`` and ``verify``."""

from foldnet.insight.prove import verify
from foldnet.insight.verification import Verification

__all__ = ["Verification", "verify"]
