"""`python -m pricetime` is the same as `pricetime`."""

import sys

from pricetime.cli import main

sys.exit(main())
