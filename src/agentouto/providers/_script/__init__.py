"""Scripted models: the parts of a script, which reply comes next, and how it is streamed."""
