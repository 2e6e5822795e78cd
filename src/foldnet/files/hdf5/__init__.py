"""HDF5 groups, attributes and datasets, read as plain numbers and text and nothing else.

A reader of our own, because the C library that everyone uses believes what a file says: by one flipped bit it loops
for ever or sets gigabytes aside, and it follows links to other files. Here every address, length and count is
checked against the file before it is used, each structure is read once, and the steps and bytes that a file may cost
are bounded by its size. Only what Keras writes is followed: hard links to groups and to ordinary datasets of
numbers. Section numbers in this package are those of the HDF5 File Format Specification, version 3.0.
"""

from foldnet.files.hdf5.file import Group, Hdf5File

__all__ = ["MAGIC", "Group", "Hdf5File"]

MAGIC = b"\x89HDF\r\n\x1a\n"
