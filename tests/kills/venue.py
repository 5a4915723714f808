"""`pricetime run`, with checkpoints taken after so many commands rather than a million.

python venue.py CHECKPOINT_COMMANDS FILE [options of `pricetime run`]
"""

import sys

from pricetime.cli import main
from pricetime.runner import Distance
from pricetime.venue.core import Core

if __name__ == "__main__":
    Core.__init__.__kwdefaults__["distance"] = Distance(int(sys.argv[1]))
    sys.exit(main(["run", *sys.argv[2:]]))
