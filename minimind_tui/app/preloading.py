"""Screens that are not needed for the first paint, imported while nobody waits for them."""

import importlib
import threading
from contextlib import suppress

_MODULES = (
    "minimind_tui.app.screens.dashboard.screen",
    "minimind_tui.app.screens.wizard.screen",
    "minimind_tui.app.screens.runs.screen",
    "minimind_tui.app.screens.playground.screen",
)
"""In the order in which a person may want them."""


def preload() -> None:
    """Import them in a thread nobody waits for: the first look at a screen is then as quick as the second."""

    def load() -> None:
        for module in _MODULES:
            with suppress(Exception):  # whoever opens the screen is told
                importlib.import_module(module)

    threading.Thread(target=load, name="preload", daemon=True).start()
