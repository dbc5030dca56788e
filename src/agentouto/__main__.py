"""Makes ``python -m agentouto`` the same as the command ``agentouto``."""

from agentouto.cli import main

if __name__ == "__main__":
    main()
