"""Settings for each layer that changes images in training."""

from foldnet.layers import LAYERS
from foldnet.layers.augmentation import REQUIRED, Augmentation

ROW = (3, 4, 3)
"""The shape of an image that all of them take."""
VALUES = {"factor": 0.3, "height_factor": 0.2, "width_factor": -0.1, "height": 3, "width": 4, "max_number": 5}
IMAGE_CHANGES = {
    name: {
        argument: VALUES[argument] for argument, (_, default) in cls.arguments.items() if default is REQUIRED
    }
    for name, cls in LAYERS.items()
    if issubclass(cls, Augmentation)
}
MIXES = ("RandomElasticTransform", "CutMix", "MixUp", "AugMix", "RandAugment")
"""Those that are tested in ``test_image_mixes.py``."""
IMAGE_CHANGES["RandomPosterization"] = {"factor": 4}
"""What a layer cannot be made without, by its name."""
MORE = {
    "RandomFlip": {"mode": "vertical", "seed": 3, "data_format": "channels_first"},
    "RandomRotation": {
        "factor": (-0.2, 0.5),
        "fill_mode": "wrap",
        "interpolation": "nearest",
        "fill_value": 2.0,
    },
    "RandomTranslation": {"height_factor": (-0.1, 0.3), "width_factor": 0.2, "data_format": "channels_first"},
    "RandomZoom": {"height_factor": (0.1, 0.4), "width_factor": 0.5, "fill_mode": "constant"},
    "RandomShear": {"x_factor": 0.0, "y_factor": (0.0, 0.3), "seed": 1},
    "RandomPerspective": {"factor": 0.5, "scale": 0.3},
    "RandomElasticTransform": {"factor": (0.1, 0.4), "scale": 0.7, "value_range": (0, 1)},
    "RandomErasing": {"factor": 0.2, "scale": (0.1, 0.2), "fill_value": 3.0},
    "RandomGaussianBlur": {"kernel_size": (3, 5), "sigma": (0.2, 0.9)},
    "RandomBrightness": {"factor": (-0.3, 0.1), "value_range": (1, 0)},
    "RandomContrast": {"factor": (0.1, 0.6), "value_range": (0.0, 1.0)},
    "RandomColorJitter": {"brightness_factor": 0.2, "contrast_factor": (0.1, 0.2), "hue_factor": 0.1},
    "RandomPosterization": {"factor": (2, 5)},
    "Solarization": {"addition_factor": 0.2, "threshold_factor": (0.1, 0.4)},
    "AugMix": {"factor": (0.1, 0.3), "num_chains": 2, "all_ops": False},
    "RandomCrop": {"height": 3, "width": 4, "seed": 5},
}
"""Other settings of some of them."""
