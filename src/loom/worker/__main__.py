"""`python -m loom.worker`: started by the host only, with a socket in LOOM_WORKER_FD."""

import os
import sys


def _main() -> int:
    if "LOOM_WORKER_FD" not in os.environ:
        sys.stderr.write("loom.worker is started by Loom itself; there is nothing to run by hand here\n")
        return 2
    from loom.worker._child import main

    return main()


if __name__ == "__main__":
    sys.exit(_main())
