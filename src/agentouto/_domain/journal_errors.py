"""Errors of runs in a journal. All but the last are raised before anything starts."""

from __future__ import annotations

from agentouto._domain.configuration_error import AgentoutoError, ConfigurationError


class RunTaken(ConfigurationError):
    """The run is at work, in another process or in this one."""

    code = "run-taken"


class RunChanged(ConfigurationError):
    """The agents or tools of the run are not those that it began with."""

    code = "run-changed"


class RunOther(ConfigurationError):
    """There is a run of this id, and it was asked something else."""

    code = "run-other"


def no_worker(run_id: str, worker: str, seconds: float) -> AgentoutoError:
    """Return the error for a run that no worker has taken."""
    return AgentoutoError(
        f"no worker of kind {worker!r} has taken the run {run_id!r} for {seconds:g} s. It is kept, "
        "and begins as soon as there is one"
    ).coded("worker-missing", where=f"run {run_id!r}")
