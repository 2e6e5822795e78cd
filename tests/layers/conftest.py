import pytest

from tests.support.keras_pairs import ENGINES


@pytest.fixture(params=sorted(ENGINES))
def engine(request):
    """Runs a network on an engine: engine(model, arrays, dtype) -> outputs."""
    return ENGINES[request.param]
