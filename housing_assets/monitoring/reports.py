"""How reports are stored: as JSON, and read back only when they are whole."""

from typing import Self

from pydantic import TypeAdapter, ValidationError


class Report:
    """A frozen dataclass that JSON can hold."""

    def to_json(self) -> str:
        """Return the report as JSON."""
        return TypeAdapter(type(self)).dump_json(self).decode()

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read back what ``to_json`` returned.

        Raises
        ------
        ValueError
            If it is no such report.
        """
        try:
            return TypeAdapter(cls).validate_json(text)
        except ValidationError as fault:
            raise ValueError(f"no {cls.__name__}, or a damaged one: {fault}") from None
