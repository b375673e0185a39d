"""Whether an error says that no more files can be opened, in words."""

import errno
import resource

from engine.language import _


def words_of_files(error: BaseException) -> str:
    """What to tell of an error that `ulimit -n` is behind; empty for any other."""
    seen: BaseException | None = error
    while seen is not None and not (isinstance(seen, OSError) and seen.errno == errno.EMFILE):
        seen = seen.__cause__ or seen.__context__
    if seen is None:
        return ""
    return _("Too many files are open: this process may open {n} (ulimit -n). A training needs 64 or more.").format(
        n=resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    )
