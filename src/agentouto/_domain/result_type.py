"""The type variable of a run's data, which checkers follow from ``output_type`` to the result."""

from __future__ import annotations

import sys
from typing import Any

# PEP 696: a type variable with a default, so that users may write ``RunResult`` without a type.
if sys.version_info >= (3, 13):
    from typing import TypeVar
else:
    from typing_extensions import TypeVar

Data_co = TypeVar("Data_co", covariant=True, default=Any)
"""The type of ``RunResult.data``. ``Any`` where no checker can know it: an ``output_type`` that is
no class (``int | str``, ``Annotated``), or one that only an agent has."""
