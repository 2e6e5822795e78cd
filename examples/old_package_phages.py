"""seeker tells DNA of phages from DNA of bacteria. Keras 3 cannot open its files; with foldnet it runs again.

The package is from 2020. With TensorFlow 2.16 or later it fails on its first line of work:

    ValueError: Unrecognized keyword arguments passed to LSTM: {'time_major': False}

Two imports change from TensorFlow to foldnet, the three lines that made TensorFlow quiet go, and so does
``pkg_resources``, which new installations of Python no longer have. All else stays as the authors wrote it.
"""

import random
import tempfile
from pathlib import Path

from support.old_packages import make_importable, milliseconds

QUIET = [
    "from tensorflow import get_logger, autograph",
    "get_logger().setLevel('ERROR')",
    "autograph.set_verbosity(0)",
]
CHANGES = {
    "seeker/seeker.py": {
        "from tensorflow.keras.models import load_model": "from foldnet.models import load_model",
        "from tensorflow.keras.preprocessing.sequence import pad_sequences": "from foldnet.utils import pad_sequences",
        "from pkg_resources import resource_filename": (
            "resource_filename = lambda _, name: os.path.join(os.path.dirname(__file__), name)"
        ),
        **dict.fromkeys(QUIET, ""),
    }
}

with tempfile.TemporaryDirectory() as folder:
    make_importable("seeker==1.0.3", Path(folder), CHANGES)
    from seeker import SeekerFasta, SeekerModel

    random.seed(1)
    random_dna = "".join(random.choices("ACGT", k=3000))
    repeats = "GATTACA" * 400
    fasta = f">random\n{random_dna}\n>repeats\n{repeats}\n"
    for kind in ("python", "matlab"):
        network = SeekerModel(kind)
        print(f"\nnetwork {kind!r}")
        answers = SeekerFasta(fasta, seeker_model=network, is_fasta_str=True).phage_or_bacteria()
        print(*answers, sep="\n")
        piece = random_dna[:1000]
        print(
            f"a piece of 1,000 letters: {milliseconds(lambda n=network, p=piece: n._score_fragments([p])):.1f} ms"
        )

print("\nmeasured with TensorFlow on the same machine: see docs/real-models.md")
