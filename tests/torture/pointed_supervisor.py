"""The real supervisor, with an instant to be struck at where its environment names one (kill_points)."""

import sys

from kill_points import strike_as_told

from engine.run.supervisor import main

VARIABLE = "MINIMIND_TORTURE_SUPERVISOR"

if __name__ == "__main__":
    strike_as_told(VARIABLE)
    sys.exit(main())
