"""What a person prefers, whatever the run: kept as TOML in the user's config folder."""

import os
import tomllib
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from engine.language import _, language_from_environment
from engine.places import config_dir
from engine.run.atomic import write_atomic
from engine.small_file import read_small

FILE_NAME = "preferences.toml"
Marker = Literal["braille", "hd", "dot", "ascii"]


class Preferences(BaseModel):
    """Every preference with its default. `language` auto follows the locale."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)

    language: Literal["auto", "en", "zh"] = "auto"
    theme: str = "minimind-dark"
    marker: Marker = "braille"
    refresh_seconds: float = Field(1.0, ge=0.25, le=60)
    price_per_hour: float = Field(0.0, ge=0, le=10_000)
    currency: str = Field("$", max_length=4)
    welcomed: bool = False
    """Whether the first run's explanation was shown."""

    def language_now(self) -> str:
        """`en` or `zh`. MINIMIND_LANG, which a person sets on purpose, is stronger than what was chosen before."""
        if self.language == "auto" or os.environ.get("MINIMIND_LANG"):
            return language_from_environment()
        return self.language


def preferences_path() -> Path:
    """Where the preferences are kept."""
    return config_dir() / FILE_NAME


def load_preferences() -> tuple[Preferences, str]:
    """The preferences kept, and a sentence when the file could not be used; each wrong value falls to its default."""
    path = preferences_path()
    try:
        values = tomllib.loads(read_small(path).decode("utf-8"))
    except FileNotFoundError:
        return Preferences(), ""
    except (OSError, ValueError, RecursionError) as error:  # a number of thousands of digits is no TOMLDecodeError
        message = _("{path} cannot be used ({problem}); the defaults hold.").format(path=path, problem=error)
        return Preferences(), message
    try:
        return Preferences.model_validate(values), ""
    except ValidationError as error:
        wrong = {str(detail["loc"][0]) for detail in error.errors() if detail["loc"]}
        good = {name: value for name, value in values.items() if name not in wrong}
        message = _("{path}: not understood and left out: {names}.").format(path=path, names=", ".join(sorted(wrong)))
        return Preferences.model_validate(good), message


def save_preferences(preferences: Preferences) -> str:
    """Keep the preferences; returns a sentence when that failed, else nothing. What the file says beside them stays."""
    import tomlkit  # a tenth of a second that only a change of preferences needs

    path = preferences_path()
    try:
        try:
            document = tomlkit.parse(read_small(path).decode("utf-8"))
        except (OSError, ValueError, RecursionError):
            document = tomlkit.document()
        for name, value in preferences.model_dump().items():
            document[name] = value
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, tomlkit.dumps(document).encode())
    except OSError as error:
        return _("The preferences could not be kept in {path}: {problem}.").format(path=path, problem=error.strerror)
    return ""
