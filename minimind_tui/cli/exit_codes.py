"""The exit codes of `minimind`, documented in its help and in docs/."""

from engine.language import _

OK = 0
FAILED = 1
MISTAKE = 2
STOPPED = 3
INTERRUPTED = 130


def describe_exit_codes() -> str:
    """One sentence that names every exit code, for the foot of the help."""
    return _(
        "Exit codes: 0 done; 1 the run failed, or an unexpected error; 2 a mistake in what was asked; "
        "3 the run was stopped or paused before its end; 130 interrupted."
    )
