"""`python -m regimes`: the same as the command `regimes`."""

import sys

from regimes.tools.cli import main

if __name__ == "__main__":
    sys.exit(main())
