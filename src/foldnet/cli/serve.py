"""``foldnet serve``: predictions over HTTP."""

from __future__ import annotations

import json

import click

from foldnet.cli.options import FILE, common
from foldnet.cli.terminal import say


@click.command(
    epilog="""\b
Examples:
  foldnet serve wine.foldnet
  foldnet serve wine.keras iris.h5 --port 9000 --workers 2
  foldnet serve models/v3.foldnet --name wine --host 0.0.0.0 --log-requests
  curl localhost:8000/v2/models/wine
"""
)
@click.argument("files", type=FILE, nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--name",
    "names",
    multiple=True,
    metavar="NAME",
    help="Name in the paths, once for each FILE; by default its name.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address; 0.0.0.0 for other machines.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    show_default=True,
    help="0 takes a free one, which is printed.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 256),
    default=1,
    show_default=True,
    help="Processes that share the port.",
)
@click.option(
    "--threads",
    type=click.IntRange(1, 256),
    default=4,
    show_default=True,
    help="Predictions at once in each process.",
)
@click.option(
    "--max-body",
    type=click.FloatRange(0, 100_000, min_open=True),
    default=16.0,
    show_default=True,
    help="Largest body of a request, in MB; larger ones get 413.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(0, 86_400, min_open=True),
    default=60.0,
    show_default=True,
    help="Seconds for a request, to its answer.",
)
@click.option(
    "--max-requests",
    type=click.IntRange(1),
    default=64,
    show_default=True,
    help="Requests that may wait or run in each process; others get 503.",
)
@click.option("--engine", type=click.Choice(["auto", "native", "reference"]), help="What computes.")
@click.option("--log-requests", is_flag=True, help="One line on stderr for each inference request.")
@common
def command(
    files: tuple[str, ...], names: tuple[str, ...], host: str, port: int, workers: int, threads: int,
    max_body: float, timeout: float, max_requests: int, engine: str | None, log_requests: bool, as_json: bool,
) -> None:  # fmt: skip
    """Serve frozen networks over HTTP, by the Open Inference Protocol v2.

    FILE is a network, or a predictor (.foldnet). The server answers at
    /v2/models/NAME/infer, in JSON and in binary tensors, and has health checks
    at /v2/health/ready and metrics at /metrics. SIGTERM ends it after the
    requests that it has. It needs pip install 'foldnet[serve]'.
    """
    from foldnet.serving.limits import MEGABYTE, Limits
    from foldnet.serving.server import Server, address_of, listening, named

    server = Server(
        named(files, names),
        engine,
        Limits(max(1, int(max_body * MEGABYTE)), timeout, max_requests, threads),
        workers,
        log=("json" if as_json else "text") if log_requests else None,
    )
    models = server.check()
    with listening(host, port) as opened:
        url = address_of(opened)
        said = json.dumps({"url": url, "models": models, "workers": workers})
        say(said if as_json else f"Serving {', '.join(models)} at {url}/v2")
        server.run(opened)
    say("Stopped.", err=True) if not as_json else None
