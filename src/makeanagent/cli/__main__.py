"""`python -m makeanagent.cli`."""

import sys

from makeanagent.cli import main

sys.exit(main())
