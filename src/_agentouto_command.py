"""Starts the ``agentouto`` command, so that Ctrl+C while it loads ends it without a traceback.

Loading takes a few tenths of a second, most of it inside ``import agentouto``. A module of the
package cannot catch an interrupt there, because Python imports the package before it. So this
module stands beside the package. The commands replace the handler as soon as they execute.
"""

import os
import signal

INTERRUPTED = 130
"""128 + SIGINT: how shells report a process that Ctrl+C has ended."""


def main() -> None:
    """Run the ``agentouto`` command."""
    signal.signal(signal.SIGINT, _exit)
    from agentouto.cli import main as run_command  # noqa: PLC0415 - the slow import

    run_command()


def _exit(*_: object) -> None:
    os._exit(INTERRUPTED)


if __name__ == "__main__":
    main()
