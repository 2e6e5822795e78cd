"""The frozen network: ``freeze`` makes it, ``Predictor`` is it, ``load_predictor`` reads it back from its file."""

from foldnet.predictor.predictor import Options as Options
from foldnet.predictor.predictor import Predictor as Predictor
from foldnet.predictor.predictor import freeze as freeze
from foldnet.predictor.predictor import load_predictor as load_predictor
