"""The real launcher of several processes; its ranks are pointed_worker's."""

import sys

from engine.worker import launch

if __name__ == "__main__":
    launch.RANK_MODULE = "pointed_worker"
    sys.exit(launch.main())
