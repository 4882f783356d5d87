"""`python -m bayessem`: the command line."""

import sys

from bayessem.cli import main

sys.exit(main())
