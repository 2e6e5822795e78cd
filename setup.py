"""The one part of the build that pyproject.toml cannot say: an optional extension module."""

import os

import numpy
from setuptools import Extension, setup

EXTENSION = Extension(
    "foldnet.predictor._fastcall",
    ["src/foldnet/predictor/_fastcall.c", "src/foldnet/predictor/_bound.c"],
    depends=["src/foldnet/predictor/_fastcall.h"],
    include_dirs=[numpy.get_include()],
    extra_compile_args=["-O2"],
    py_limited_api=True,  # one build for CPython 3.11 and all later ones
    optional=True,  # without a compiler foldnet installs all the same; calls then take the longer way
)

# `make dist` also builds a wheel without it, for machines that no other wheel is for.
if os.environ.get("FOLDNET_PURE_WHEEL"):
    setup()
else:
    setup(ext_modules=[EXTENSION], options={"bdist_wheel": {"py_limited_api": "cp311"}})
