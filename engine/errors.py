"""The one error that a user's mistake raises."""


class UserError(Exception):
    """A mistake the user can mend: names the thing, the place and the way out.

    The command line prints it as one message, without a traceback, and exits with code 2.
    """
