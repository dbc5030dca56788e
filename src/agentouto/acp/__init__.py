"""Programs that speak the Agent Client Protocol as peers: Gemini CLI and others. Extra ``acp``.

::

    from agentouto.acp import program

    coder = program("coder", "Writes code.", "gemini", "--acp", cwd="project")
    Team([architect, coder])

Importing this module imports no part of the protocol's SDK.
"""

from agentouto.acp._program import Permissions, ProgramAnswer, program

__all__ = ["Permissions", "ProgramAnswer", "program"]
