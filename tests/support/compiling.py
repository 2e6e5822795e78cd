"""How the suite compiles what foldnet generates: as shipped, or at once, where a test asks what numbers come out."""

from foldnet.engines.native import cache

as_shipped = cache.load


def unoptimized(code, symbol, *options):
    """``cache.load`` for code that runs a few times; it has the same bits, but takes its time."""
    # What is always written out would make a fifth of the code.
    return as_shipped(code, symbol, *options, "-O0", "-Dalways_inline=unused")
