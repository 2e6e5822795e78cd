"""The one way to open a file for reading, and the one way to write one."""
