"""Operations: a folder per family of operations, a file per aspect.

``op.py`` defines an operation and its shape rule; the other files of the folder hold the other aspects (NumPy, C,
gradient, text, folding, test cases). Code outside gets an aspect with ``catalogue.find``, without testing for classes.
"""
