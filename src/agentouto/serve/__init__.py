"""A team behind any chat program: fronts that speak the protocols that clients speak already.

``agentouto serve TEAM`` runs them from the command line. Each front is a plain ASGI application,
which any framework mounts::

    app = FastAPI()
    app.mount("/ai", openai_app(team))

``import agentouto`` does not import this package.
"""

from agentouto.serve._agui import agui_app
from agentouto.serve._front import Front
from agentouto.serve._host import Server, read_key
from agentouto.serve._openai import openai_app

__all__ = ["Front", "Server", "agui_app", "openai_app", "read_key"]
