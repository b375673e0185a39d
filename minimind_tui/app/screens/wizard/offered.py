"""Which actions of the wizard its steps offer."""

from minimind_tui.core.wizard.foresight import Step

ONLY_IN: dict[str, tuple[Step, ...]] = {
    "next_step": ("preset", "data", "settings"),  # what costs hours or money is started by name, not by going on
    "previous_step": ("data", "settings", "review"),
    "start_run": ("review",),
    "toggle_advanced": ("settings",),
    "reset_field": ("settings",),
    "find_setting": ("settings",),
    "save_preset": ("settings", "review"),
    "copy_command": ("settings", "review"),
    "calibrate": ("review",),
}
"""Steps in which an action is offered; the others always are."""
