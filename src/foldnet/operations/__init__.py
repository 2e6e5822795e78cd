"""What each operation is: a folder per family, with all that is known of its operations, aspect by aspect.

``op.py`` says what an operation means and its rule about shapes; the files beside it what each part of foldnet knows
of it. Nothing outside asks for an operation by its class: ``catalogue.find`` gives the aspect.
"""
