"""Workers: processes that carry out the runs of a team that are in a journal.

``agentouto worker TEAM --journal PLACE`` is one; ``Team.submit`` hands it runs. ``docs/workers.md``
leads from a laptop to two machines.
"""

from agentouto._workers.submitted_run import SubmittedRun
from agentouto.workers._worker import Worker

__all__ = ["SubmittedRun", "Worker"]
