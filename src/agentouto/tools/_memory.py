"""``memory``: tools that save texts in one file, search them and delete them.

`_memory_store` has the file and the tools. It is imported by the first call of ``memory``, because
not every Python has SQLite.
"""

from __future__ import annotations

import os

from agentouto import ConfigurationError, Tool

MOST_MEGABYTES = 10_000
"""A search in a larger file takes seconds, and to forget a memory rewrites the whole index."""


def memory(
    file: str | os.PathLike[str], *, entries: int = 10_000, megabytes: float = 100.0
) -> list[Tool[..., object]]:
    """Return tools for a memory: ``save_memory``, ``search_memory``, ``forget_memory``.

    The file is created if it does not exist. Several programs may use it at the same time.

    Args:
        file: The path of an SQLite file for this purpose only, on a disk of this machine.
        entries: The maximum number of memories.
        megabytes: The maximum size of the file.

    Raises:
        ConfigurationError: The file cannot be created or is not a memory, or this Python's SQLite
            has no full text search.
    """
    if not (entries >= 1 and 1 <= megabytes <= MOST_MEGABYTES):
        raise ConfigurationError(
            f"memory: entries={entries!r} and megabytes={megabytes!r} have to be at least 1, and "
            f"megabytes at most {MOST_MEGABYTES:,}"
        )
    try:
        from agentouto.tools._memory_store import MemoryStore  # noqa: PLC0415 - imports SQLite
    except ImportError as error:
        raise ConfigurationError(
            f"memory needs SQLite, which this Python lacks: {error}"
        ) from error
    store = MemoryStore(file, entries, megabytes)
    return [Tool(store.save_memory), Tool(store.search_memory), Tool(store.forget_memory)]
