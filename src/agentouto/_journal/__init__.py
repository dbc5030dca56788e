"""Keeps runs on disk, so that they survive the end of their process."""
