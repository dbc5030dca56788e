"""What ``agentouto demo`` runs: a team of four peers with real tools, and its report.

Read ``team.py`` first, then ``models.py``, where each peer decides what to do next. The command
line around it is not known here.
"""
