"""`python -m swiftstats` is the command `swiftstats`."""

import sys

from swiftstats.cli.main import main

sys.exit(main())
