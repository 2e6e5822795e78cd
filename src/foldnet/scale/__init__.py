"""Tables larger than one machine: data sets of many Parquet files, predicted part by part, here or on a cluster."""

from foldnet.scale.report import BrokenPartsError, Report
from foldnet.scale.run import predict_parts
from foldnet.scale.sources import is_data_set

__all__ = ["BrokenPartsError", "Report", "is_data_set", "predict_parts"]
