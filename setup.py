"""The one part of the build that pyproject.toml cannot say: an optional extension module."""

import numpy
from setuptools import Extension, setup

setup(
    ext_modules=[
        Extension(
            "foldnet.predictor._fastcall",
            ["src/foldnet/predictor/_fastcall.c"],
            include_dirs=[numpy.get_include()],
            extra_compile_args=["-O2"],
            optional=True,  # without a compiler foldnet installs all the same; calls then take the longer way
        )
    ]
)
