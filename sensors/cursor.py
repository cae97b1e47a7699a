"""What a sensor remembers between two ticks: JSON with a schema version, on which nothing irreplaceable depends."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError


class Cursor(BaseModel):
    """Base of the cursors; one that is lost, garbled or of another schema reads as none."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1

    @classmethod
    def read(cls, text: str | None) -> Self | None:
        """Return the cursor that a sensor's text holds, None if it holds none."""
        try:
            return cls.model_validate_json(text or "")
        except ValidationError:
            return None

    def write(self) -> str:
        """Return the cursor as a sensor's text."""
        return self.model_dump_json()


class DecisionCursor(Cursor):
    """The decision that was recorded last, by its fingerprint: the same one is not recorded twice."""

    decision: str
