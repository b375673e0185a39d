"""What all records of the run folder have in common."""

from pydantic import BaseModel, ConfigDict


class Tolerant(BaseModel):
    """A model that keeps keys it does not know: a newer writer must not break an older reader."""

    model_config = ConfigDict(extra="allow", defer_build=True)
