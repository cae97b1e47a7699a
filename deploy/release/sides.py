"""The two places where a release may run beside the other one."""

from enum import StrEnum
from typing import NamedTuple, Protocol


class Refused(Exception):
    """A release does not do what is asked of it."""


class Side(StrEnum):
    """One of the two: whichever does not answer takes the next release."""

    BLUE = "blue"
    GREEN = "green"

    @property
    def other(self) -> "Side":
        """The side that is not this one."""
        return Side.GREEN if self is Side.BLUE else Side.BLUE


class Address(NamedTuple):
    """Ports of this machine that a side listens on."""

    port: int
    grpc_port: int


ADDRESSES = {Side.BLUE: Address(3110, 3111), Side.GREEN: Address(3120, 3121)}


class Host(Protocol):
    """What runs releases: a container engine, or processes."""

    def start(self, side: Side, release: str) -> None:
        """Start a release where nothing runs, and do not wait for it; where it ends, nobody starts it again.

        Raises
        ------
        Refused
            If it cannot be started.
        """

    def is_running(self, side: Side) -> bool:
        """Return whether there is a release that has not ended."""

    def keep(self, side: Side) -> None:
        """Have the release started again from now on whenever it ends, and when the machine does."""

    def stop(self, side: Side) -> None:
        """End what runs, if anything does, as it asks to be ended."""

    def log(self, side: Side) -> str:
        """Return the end of what the release has printed."""
