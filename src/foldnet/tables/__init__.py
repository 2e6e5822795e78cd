"""Tables of numbers in CSV, NPY and Parquet files, read and written in blocks, so that they may be of any size."""

from foldnet.tables.read import open_table
from foldnet.tables.select import Selection
from foldnet.tables.table import Table
from foldnet.tables.write import TableWriter, create_table

__all__ = ["Selection", "Table", "TableWriter", "create_table", "open_table"]
