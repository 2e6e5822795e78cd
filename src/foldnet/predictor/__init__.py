"""The frozen network: ``freeze`` makes it, ``Predictor`` is it, ``load_predictor`` reads it back from its file."""

from foldnet.predictor.freezing import freeze as freeze
from foldnet.predictor.freezing import load_predictor as load_predictor
from foldnet.predictor.options import Options as Options
from foldnet.predictor.predictor import Predictor as Predictor
