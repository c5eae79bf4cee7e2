"""The gateway: an HTTP server with which any program uses Loom's models, as it would use OpenAI's or Anthropic's."""

from loom.web.client import Client
from loom.web.gateway import Gateway, gateway
from loom.web.keys import KeyFile, new_client
from loom.web.settings import Settings

__all__ = ["Client", "Gateway", "KeyFile", "Settings", "gateway", "new_client"]
