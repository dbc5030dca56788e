"""Ready tools: files, a shell, skills, a memory, and web pages.

Each function returns a plain list of tools, so they go wherever tools go::

    Team([agent], tools=[*files("."), *shell("."), my_tool])

A list is enough, and nothing needs to be closed, because no tool holds anything open between two
uses: the folder, the database and the process are opened for one use and closed in it. ``import
agentouto`` does not import this package.
"""

from agentouto.tools._files import files
from agentouto.tools._memory import memory
from agentouto.tools._shell import shell
from agentouto.tools._skills import skills
from agentouto.tools._web import web

__all__ = ["files", "memory", "shell", "skills", "web"]
