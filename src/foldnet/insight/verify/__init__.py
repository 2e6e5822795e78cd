"""``verify``: is this candidate the network, which mistakes does it make, and would we have seen them."""

from foldnet.insight.verify.prove import verify
from foldnet.insight.verify.verification import Verification

__all__ = ["Verification", "verify"]
