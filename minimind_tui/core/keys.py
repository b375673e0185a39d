"""The one table of keys: bindings, footer, help and the command palette all come from it."""

from dataclasses import dataclass
from typing import Literal

from engine.language import _

Scope = Literal["app", "home", "wizard", "dashboard", "runs", "compare", "playground", "preferences", "help", "chart"]


@dataclass(frozen=True)
class Key:
    """One action of a scope: the keys that start it, and its words in the current language.

    `id` is unique in the table; the scope's screen or widget has a method `action_<action>`. `keys` are Textual's
    names, several separated by commas. `footer`: whether it has a place in the footer; the help shows every key.
    """

    scope: Scope
    action: str
    keys: str
    label: str
    help: str
    footer: bool = True

    @property
    def id(self) -> str:
        """The binding's id, `dashboard.save_now`."""
        return f"{self.scope}.{self.action}"


def scope_title(scope: Scope) -> str:
    """What a scope is called in the help."""
    return {
        "app": _("Everywhere"),
        "home": _("Home"),
        "wizard": _("New run"),
        "dashboard": _("Dashboard"),
        "runs": _("Runs"),
        "compare": _("Compare"),
        "playground": _("Playground"),
        "preferences": _("Preferences"),
        "help": _("Help"),
        "chart": _("Charts"),
    }[scope]


def keys_of(scope: Scope) -> tuple[Key, ...]:
    """The keys of one scope, in the order they are shown."""
    return tuple(key for key in key_table() if key.scope == scope)


def key_table() -> tuple[Key, ...]:
    """Every key of the application, its words in the current language."""
    return (
        Key("app", "help", "question_mark,f1", _("Help"), _("Every key of this screen, and what it does")),
        Key("app", "command_palette", "ctrl+p", _("Palette"), _("Find any action by its name"), footer=False),
        Key("app", "show_home", "f2", _("Home"), _("What runs now, and where to begin"), footer=False),
        Key("app", "show_wizard", "f3", _("New run"), _("Set up a new run"), footer=False),
        Key("app", "show_runs", "f4", _("Runs"), _("All runs of this workspace"), footer=False),
        Key("app", "show_playground", "f5", _("Playground"), _("Let a model write"), footer=False),
        Key("app", "show_preferences", "f6", _("Preferences"), _("Language, theme, charts"), footer=False),
        Key("app", "toggle_language", "f7", _("中文"), _("Switch between English and Chinese"), footer=False),
        Key("app", "back", "escape", _("Back"), _("Back to the screen before")),
        Key("app", "leave", "q,ctrl+q,ctrl+c", _("Quit"), _("Leave; a run that trains goes on if you want")),
        #
        Key("home", "start_mini", "m", _("Try mini"), _("Start the smoke test: the shipped data, about two minutes")),
        Key("home", "new_run", "n", _("New run"), _("Choose a preset, tune it, see what it costs")),
        Key("home", "open_run", "enter", _("Open"), _("Open the selected run or preset"), footer=False),
        Key("home", "runs", "r", _("Runs"), _("All runs of this workspace")),
        Key("home", "playground", "p", _("Playground"), _("Let a model write")),
        Key("home", "preferences", "s", _("Preferences"), _("Language, theme, charts")),
        #
        Key("wizard", "next_step", "ctrl+n", _("Next"), _("The next step")),
        Key("wizard", "previous_step", "ctrl+o", _("Previous"), _("The step before")),
        Key("wizard", "start_run", "ctrl+r", _("Start"), _("Start the run as it is set up")),
        Key("wizard", "find_setting", "ctrl+f", _("Find"), _("Jump to a setting by its name or its help")),
        Key("wizard", "toggle_advanced", "ctrl+t", _("Advanced"), _("Show or fold the advanced settings")),
        Key("wizard", "reset_field", "ctrl+z", _("Reset"), _("Give the field its preset's value again"), footer=False),
        Key("wizard", "save_preset", "ctrl+k", _("Save preset"), _("Save the settings as a preset of this workspace")),
        Key("wizard", "copy_command", "ctrl+y", _("Copy command"), _("Copy the `minimind run` line that does this")),
        Key("wizard", "calibrate", "ctrl+g", _("Calibrate"), _("Make a few real updates to know how long it takes")),
        #
        Key("dashboard", "save_now", "s", _("Save"), _("Make a checkpoint now")),
        Key("dashboard", "sample_now", "t", _("Sample"), _("Let the model write now")),
        Key("dashboard", "pause", "p", _("Pause"), _("Save and free the device's memory; again: go on exactly")),
        Key("dashboard", "stop", "x", _("Stop"), _("Save and stop; it can be resumed")),
        Key("dashboard", "change_lr", "l", _("Rate"), _("Scale the learning rate from the next update on")),
        Key("dashboard", "resume", "r", _("Resume"), _("Go on from the newest checkpoint")),
        Key("dashboard", "playground", "w", _("Write"), _("This run's model in the playground"), footer=False),
        Key("dashboard", "detach", "d", _("Detach"), _("Leave the run to itself and go home"), footer=False),
        Key("dashboard", "show_curves", "1", _("Curves"), _("The curves and numbers"), footer=False),
        Key("dashboard", "show_samples", "2", _("Samples"), _("What the model wrote over time"), footer=False),
        Key("dashboard", "show_events", "3", _("Events"), _("What happened, and when"), footer=False),
        Key("dashboard", "show_settings", "4", _("Settings"), _("The run's settings and its preset's"), footer=False),
        Key("dashboard", "show_log", "5", _("Log"), _("The end of trainer.log"), footer=False),
        Key("dashboard", "show_experts", "6", _("Experts"), _("How the experts are used"), footer=False),
        Key("dashboard", "show_ranks", "7", _("Ranks"), _("How the processes keep pace"), footer=False),
        Key("dashboard", "next_tab", "n", _("Next tab"), _("The next tab"), footer=False),
        Key("dashboard", "previous_tab", "N", _("Tab before"), _("The tab before"), footer=False),
        Key("dashboard", "earlier_sample", "comma", _("Earlier sample"), _("What it wrote before"), footer=False),
        Key("dashboard", "later_sample", "full_stop", _("Later sample"), _("What it wrote after"), footer=False),
        Key("dashboard", "experts_over_time", "v", _("Over time"), _("A layer's experts over time"), footer=False),
        Key("dashboard", "next_layer", "j", _("Next layer"), _("The next layer's experts over time"), footer=False),
        Key("dashboard", "previous_layer", "k", _("Layer before"), _("The layer before, over time"), footer=False),
        #
        Key("chart", "maximize_chart", "m,enter", _("Maximise"), _("The chart alone on the screen, or back")),
        Key("chart", "toggle_log", "g", _("Log scale"), _("Logarithmic or linear values")),
        Key("chart", "cycle_smoothing", "o", _("Smoothing"), _("More smoothing, then none, then as usual")),
        Key("chart", "cycle_x", "a", _("Axis"), _("Along steps, tokens or time")),
        Key("chart", "zoom_in", "plus,equals_sign", _("Zoom in"), _("A shorter range"), footer=False),
        Key("chart", "zoom_out", "minus", _("Zoom out"), _("A longer range"), footer=False),
        Key("chart", "pan_left", "left_square_bracket", _("Earlier"), _("Move the range to the left"), footer=False),
        Key("chart", "pan_right", "right_square_bracket", _("Later"), _("Move the range to the right"), footer=False),
        Key("chart", "cursor_left", "left", _("Read before"), _("Read the values at the place before"), footer=False),
        Key("chart", "cursor_right", "right", _("Read after"), _("Read the values at the place after"), footer=False),
        Key("chart", "zoom_reset", "0", _("Whole run"), _("The whole range again"), footer=False),
        #
        Key("runs", "open_run", "enter", _("Open"), _("The dashboard of the run")),
        Key("runs", "filter", "slash", _("Filter"), _("By text or setting: lr>=1e-3 state=crashed")),
        Key("runs", "mark", "space", _("Mark"), _("Mark for comparing or deleting")),
        Key("runs", "compare", "c", _("Compare"), _("Curves and settings of the marked runs side by side")),
        Key("runs", "resume", "r", _("Resume"), _("Go on from the newest checkpoint")),
        Key("runs", "fork", "f", _("Fork"), _("A new run from a checkpoint, with changed settings")),
        Key("runs", "sort", "o", _("Sort"), _("By the next column")),
        Key("runs", "details", "i", _("Details"), _("Everything about the run, or the list alone")),
        Key("runs", "delete", "delete,D", _("Delete"), _("Delete the marked runs, after asking")),
        Key("runs", "rename", "e", _("Rename"), _("Give the run another name")),
        Key("runs", "note", "n", _("Note"), _("Write a note on the run")),
        Key("runs", "report", "w", _("Report"), _("Write a report with curves, settings and samples")),
        Key("runs", "playground", "g", _("Playground"), _("Let the run's model write")),
        Key("runs", "copy_path", "y", _("Path"), _("Show and copy the path of the run's folder")),
        Key("runs", "reverse", "O", _("Reverse"), _("The other way round"), footer=False),
        Key("runs", "mark_all", "A", _("Mark all"), _("Mark every run that is listed, or none"), footer=False),
        #
        Key("compare", "cycle_metric", "v", _("Metric"), _("The next metric")),
        #
        Key("playground", "generate", "enter,ctrl+g", _("Write"), _("Let the model continue the prompt")),
        Key("playground", "new_line", "ctrl+j,shift+enter", _("New line"), _("A new line"), footer=False),
        Key("playground", "stop_writing", "ctrl+x", _("Stop"), _("Stop writing at once; escape does it too")),
        Key("playground", "choose_left", "ctrl+o", _("Model"), _("Choose the model and its checkpoint")),
        Key("playground", "choose_right", "ctrl+d", _("Second"), _("Put a second checkpoint beside it, or remove it")),
        Key("playground", "take_newest", "ctrl+n", _("Newest"), _("Take the run's newest weights"), footer=False),
        Key("playground", "copy_answer", "ctrl+y", _("Copy"), _("Copy the last answer, with its prompt")),
        Key(
            "playground", "older_prompt", "ctrl+up", _("Older"), _("The prompt before; also up in line 1"), footer=False
        ),
        Key(
            "playground",
            "newer_prompt",
            "ctrl+down",
            _("Newer"),
            _("The prompt after; also down at the end"),
            footer=False,
        ),
        Key("playground", "scroll_up", "pageup", _("Scroll up"), _("Scroll what was written up"), footer=False),
        Key("playground", "scroll_down", "pagedown", _("Scroll down"), _("Scroll what was written down"), footer=False),
        Key("playground", "clear", "ctrl+l", _("Clear"), _("Remove what was written"), footer=False),
        #
        Key("preferences", "reset", "ctrl+z", _("Defaults"), _("All preferences as at first")),
        #
        Key("help", "close", "escape,question_mark,f1,q", _("Close"), _("Back to the screen below")),
        Key("help", "search", "slash", _("Search"), _("Find a key by its name or by what it does")),
    )
