"""The doctor: finds what is wrong with a trained network, with numbers from that network."""

from foldnet.insight.doctor.finding import Finding, Report
from foldnet.insight.doctor.mend import mend
from foldnet.insight.doctor.run import CHECKS, doctor

__all__ = ["CHECKS", "Finding", "Report", "doctor", "mend"]
