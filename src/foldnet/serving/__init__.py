"""Frozen networks over HTTP, by the Open Inference Protocol: ``application`` is for any ASGI server.

``foldnet serve`` runs it with uvicorn (extra ``foldnet[serve]``). ``docs/serving.md`` has the protocol, the limits and
examples.
"""

from foldnet.serving.application import application as application
from foldnet.serving.limits import Limits as Limits
