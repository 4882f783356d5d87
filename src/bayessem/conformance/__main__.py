"""`python -m bayessem.conformance DIR`: the same as `bayessem conformance DIR`, and `--write`."""

import sys

from bayessem.conformance.command import main

sys.exit(main())
