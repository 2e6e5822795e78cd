"""A reader of HDF5: groups, attributes and datasets, as numbers and text.

We do not use the usual C library because it trusts the file: after one flipped bit it may loop
forever or allocate gigabytes, and it follows links to other files. Here every address, length and count is
checked before it is used, each structure is read once, and the number of steps and bytes read
is limited by the file's size. Only what Keras writes is supported: hard links to groups and ordinary datasets of
numbers. Section numbers in this package refer to the HDF5 File Format Specification, version 3.0.
"""

from foldnet.files.hdf5.file import Group, Hdf5File

__all__ = ["MAGIC", "Group", "Hdf5File"]

MAGIC = b"\x89HDF\r\n\x1a\n"
