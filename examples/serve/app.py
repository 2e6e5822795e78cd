"""Wine quality as a web service: a FastAPI application with checked rows and a health check.

uvicorn app:app --workers 2
gunicorn app:app -k uvicorn_worker.UvicornWorker --workers 2
"""

import os
from pathlib import Path
from typing import Annotated

import numpy as np
from fastapi import FastAPI
from pydantic import BaseModel, Field

from foldnet import freeze
from foldnet.serving import application

Number = Annotated[float, Field(allow_inf_nan=False)]


class Wine(BaseModel):
    """One row: the columns of the table that the network was trained on, in their order."""

    fixed_acidity: Number
    volatile_acidity: Number
    citric_acid: Number
    residual_sugar: Number
    chlorides: Number
    free_sulfur_dioxide: Number
    total_sulfur_dioxide: Number
    density: Number
    pH: Number  # noqa: N815
    sulphates: Number
    alcohol: Annotated[float, Field(gt=0, lt=100)]


predict = freeze(os.environ.get("WINE_MODEL", Path(__file__).with_name("wine.keras")))
app = FastAPI(title="Wine quality")


@app.post("/quality")
def quality(wines: Annotated[list[Wine], Field(min_length=1, max_length=10_000)]) -> list[float]:
    """The quality of each wine. FastAPI calls it in a thread, so that health checks answer meanwhile."""
    rows = np.array([list(wine.model_dump().values()) for wine in wines], np.float32)
    return predict(rows)[:, 0].tolist()


@app.get("/health")
def health() -> dict[str, str]:
    """For load balancers and containers."""
    return {"status": "ok"}


app.mount("/models", application({"wine": predict}))  # the Open Inference Protocol, at /models/v2
