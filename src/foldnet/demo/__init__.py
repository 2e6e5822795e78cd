"""A trained network, its table and Keras's own outputs, packaged; and the demonstration that uses them.

The table is UCI Wine Quality (red), P. Cortez et al., 2009, CC BY 4.0, https://doi.org/10.24432/C56S3T.
"""
