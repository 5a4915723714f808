"""`python -m simulation`, from the folder of tests: the same as run.py."""

import sys

from simulation.run import main

sys.exit(main())
