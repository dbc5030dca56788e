"""Hands runs and calls to workers through a journal; ``agentouto.workers`` is their other side."""
