"""The errors of ``journal=`` and ``run_id=`` that are raised before anything starts."""

from __future__ import annotations

from agentouto._domain.configuration_error import ConfigurationError


class RunTaken(ConfigurationError):
    """The run is at work, in another process or in this one."""

    code = "run-taken"


class RunChanged(ConfigurationError):
    """The agents or tools of the run are not those that it began with."""

    code = "run-changed"


class RunOther(ConfigurationError):
    """There is a run of this id, and it was asked something else."""

    code = "run-other"
