"""``python -m foldnet.cli``: the ``foldnet`` command."""

from foldnet.cli import main

main(prog_name="foldnet")
