"""The real worker, with an instant to be struck at where its environment names one (kill_points)."""

import os
import sys
from typing import Any

from kill_points import strike_as_told

from engine.worker import train

VARIABLE = "MINIMIND_TORTURE_WORKER"


def main() -> int:
    points = strike_as_told(VARIABLE) if os.environ.get("RANK", "0") == "0" else None
    real = train._train

    def watched(link: Any) -> Any:
        if points is not None:
            points.watch_updates()
        return real(link)

    train._train = watched
    return train.main()


if __name__ == "__main__":
    sys.exit(main())
