"""Lets ``python -m agentouto.cli`` do what ``agentouto`` does. Knows nothing else."""

from agentouto.cli import main

if __name__ == "__main__":
    main()
