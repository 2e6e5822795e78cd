"""tempocnn hears the tempo of music. It wants one release of TensorFlow and no Python after 3.11; foldnet does not.

``pip install tempocnn`` refuses on Python 3.12 and later, because the package is bound to TensorFlow 2.17.0. One import
changes from TensorFlow to foldnet, and the lines go that made TensorFlow quiet. The networks and the code around
them stay as the authors wrote them. The "music" here is a spectrum of clicks, since this program should need no audio.
"""

import tempfile
from pathlib import Path

import numpy as np
from support.old_packages import make_importable, milliseconds

CHANGES = {
    "tempocnn/__init__.py": {"import tensorflow as tf": "", "tf.get_logger().setLevel(logging.ERROR)": ""},
    "tempocnn/classifier.py": {
        "from tensorflow.keras.models import load_model": "from foldnet.models import load_model",
    },
}
FRAMES_A_MINUTE = 60 * 11025 / 512


def clicks(beats_a_minute: float) -> np.ndarray:
    """A mel spectrum of clicks, as tempocnn makes it of audio: 40 bands and 256 frames, about 12 seconds."""
    since_click = np.arange(256) % (FRAMES_A_MINUTE / beats_a_minute)
    spectrum = np.linspace(1, 0.3, 40)[:, None] * np.exp(-since_click / 1.5)
    return spectrum[None, :, :, None].astype(np.float32)


with tempfile.TemporaryDirectory() as folder:
    make_importable("tempocnn==0.0.8", Path(folder), CHANGES)
    from tempocnn.classifier import TempoClassifier

    classifier = TempoClassifier("deeptemp_k8")
    for tempo in (80, 100, 120, 140, 160):
        heard = classifier.estimate_tempo(clicks(tempo), interpolate=True)
        print(f"clicks at {tempo} beats a minute: {heard:.1f}")
    print(f"\n12 seconds of music: {milliseconds(lambda: classifier.estimate_tempo(clicks(120))):.1f} ms")

print("measured with TensorFlow on the same machine: see docs/real-models.md")
