"""Rounds of torture from the command line."""

import sys

from torture._command import main

sys.exit(main())
