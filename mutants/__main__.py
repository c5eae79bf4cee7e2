import sys

from mutants._harness import main

sys.exit(main())
