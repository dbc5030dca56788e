"""The team that ``agentouto demo`` runs: four peers with real tools, and their report.

Read ``team.py`` first, then ``scripted_peers.py``, where each peer decides what to do next.
"""
