"""`python -m loom.cli`: the same as the command `loom`."""

import sys

from loom.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
