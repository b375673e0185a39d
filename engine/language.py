"""The interface's language: English in the source, Chinese from a gettext catalogue beside this file."""

import gettext as gettext_module
import os
from pathlib import Path

LANGUAGES = ("en", "zh")
DOMAIN = "minimind"
LOCALE_DIR = Path(__file__).parent / "locale"

_catalogue: gettext_module.NullTranslations = gettext_module.NullTranslations()
_language = "en"


def language_from_environment() -> str:
    """The language asked for by MINIMIND_LANG, else by the locale; English when neither says Chinese."""
    for name in ("MINIMIND_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        value = os.environ.get(name, "")
        if value:
            return "zh" if value.lower().startswith("zh") else "en"
    return "en"


def set_language(language: str) -> None:
    """Switch the language of all later messages to `en` or `zh`."""
    global _catalogue, _language
    if language not in LANGUAGES:
        raise ValueError(f"language {language!r} is not one of {LANGUAGES}")
    _language = language
    _catalogue = gettext_module.translation(DOMAIN, LOCALE_DIR, languages=[language], fallback=True)


def current_language() -> str:
    """The language messages are in now, `en` or `zh`."""
    return _language


def _(message: str) -> str:
    """`message` in the current language. Format it afterwards: `_("{n} rows").format(n=n)`."""
    return _catalogue.gettext(message)


set_language(language_from_environment())
