"""``verify``: does a candidate compute the network, which mistakes does it make, and were they visible."""

from foldnet.insight.verify.prove import verify
from foldnet.insight.verify.verification import Verification

__all__ = ["Verification", "verify"]
