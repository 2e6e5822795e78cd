"""The frozen network: ``freeze`` makes a ``Predictor``, and ``load_predictor`` reads one from its file."""

from foldnet.predictor.freezing import freeze as freeze
from foldnet.predictor.freezing import load_predictor as load_predictor
from foldnet.predictor.options import Options as Options
from foldnet.predictor.predictor import Predictor as Predictor
