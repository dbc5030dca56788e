"""What all teams of this folder have in common: the number in their limits, and the server."""

import os

LIMIT = 20
"""Given to each framework in the unit that it counts in: requests, turns, iterations."""

MODEL = "any-model"
URL = os.environ["OPENAI_BASE_URL"]
