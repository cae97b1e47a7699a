"""Blue/green: a release is started beside the one that answers, tried, put in its place, watched, and taken back.

Requests go on all the while. Until the watch is over the former release runs, and the proxy asks it what the new one
fails to answer: a release that dies costs nobody an answer.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any

from deploy.release.history import Entry, History
from deploy.release.probes import Counts, GoldenRequest, Probe
from deploy.release.proxy import Switch
from deploy.release.sides import Host, Refused, Side


@dataclass(frozen=True)
class Limits:
    """The numbers of a swap; times are in seconds.

    Attributes
    ----------
    end : float
        Within which the ports of what has ended are free again.
    start : float
        Within which a release is ready.
    watch : float
        How long it must answer before the former one ends.
    poll : float
        Between two probes.
    failed_probes : int
        So many in a row are a fault: one may be late on a busy machine.
    failed_requests : int
    failed_share : float
        So many requests, and such a share of all, that the release failed to answer are a fault.
    drain : float
        That the former release has, once nobody asks it, to bring its records to the store before it ends.
    """

    end: float = 10
    start: float = 120
    watch: float = 60
    poll: float = 0.25
    failed_probes: int = 2
    failed_requests: int = 5
    failed_share: float = 0.01
    drain: float = 30


@dataclass(frozen=True)
class Swaps:
    """Swaps releases on one machine.

    Attributes
    ----------
    host : Host
    switch : Switch
    probes : mapping of Side to Probe
    golden : sequence of GoldenRequest
        Of the model that answers.
    history : History
    limits : Limits
    say : callable
        Takes a line that tells what happens.
    """

    host: Host
    switch: Switch
    probes: Mapping[Side, Probe]
    golden: Sequence[GoldenRequest]
    history: History
    limits: Limits = Limits()
    say: Callable[[str], Any] = print

    def swap(self, release: str, *, goes_back: bool = False) -> Entry:
        """Put a release in place of the one that answers, or leave that where it is.

        Parameters
        ----------
        release : str
            As the host takes it: an image, named by its digest.
        goes_back : bool
            Whether it was in place before, for the history.

        Returns
        -------
        entry : Entry
            What became of it.
        """
        self._end_interrupted()
        former = self.switch.live if self.host.is_running(self.switch.live) else None
        side = self.switch.live.other
        try:
            with self._ending(side):
                self._try(side, release)
        except Refused as fault:
            return self._record(Entry(release, side, "refused", str(fault), goes_back))
        try:
            with self._going_back(side, former):
                self.switch.turn_to(side)
                self.say(f"{release} answers on {side}, watched for {self.limits.watch:g} s")
                self._watch(side)
        except Refused as fault:
            return self._record(Entry(release, side, "rolled back", str(fault), goes_back))
        self.host.keep(side)
        self.switch.settle()
        entry = self._record(Entry(release, side, "accepted", goes_back=goes_back))
        if former is not None:
            self._retire(former)
        return entry

    def _end_interrupted(self) -> None:
        """Take back what a swap that was killed has left unjudged."""
        if not self.switch.is_watched:
            return
        side = self.switch.live
        self.say(f"the release on {side} was never judged: the swap that started it was interrupted")
        if self.host.is_running(side.other):
            self.switch.turn_to(side.other)
            self.switch.settle()
            self.host.stop(side)
        else:
            self.switch.settle()

    def _try(self, side: Side, release: str) -> None:
        """Start a release and ask it, before anybody else does."""
        self.host.stop(side)
        self._require_free(side)
        begun = time.monotonic()
        self.host.start(side, release)
        while not self.probes[side].is_ready():
            if not self.host.is_running(side):
                raise Refused("it ended before it was ready")
            if time.monotonic() - begun > self.limits.start:
                raise Refused(f"it was not ready within {self.limits.start:g} s")
            time.sleep(self.limits.poll)
        self.say(f"{release} is ready on {side} after {time.monotonic() - begun:.1f} s")
        self.probes[side].require_golden_answers(self.golden)
        self.probes[side].counts()  # a key that may not ask for them would be found out only while it is watched
        self.say(f"{len(self.golden)} golden requests are answered as evaluated")

    def _require_free(self, side: Side) -> None:
        until = time.monotonic() + self.limits.end  # processes of a release that crashed may be a little longer
        while self.probes[side].is_taken():
            if time.monotonic() > until:
                raise Refused(f"something else listens on the ports of {side}, and would be taken for it")
            time.sleep(self.limits.poll)

    def _watch(self, side: Side) -> None:
        """Refuse a release that ends, stops being ready, fails requests, or answers otherwise in the end."""
        probe, until, missed = self.probes[side], time.monotonic() + self.limits.watch, 0
        before = _counts(probe) or Counts(0, 0)
        while time.monotonic() < until:
            if not self.host.is_running(side):
                raise Refused("it ended while it was watched")
            counts = _counts(probe) if probe.is_ready() else None
            missed = 0 if counts else missed + 1
            if missed >= self.limits.failed_probes:
                raise Refused(f"{missed} probes in a row found it not ready")
            if counts:
                self._judge(counts.requests - before.requests, counts.failed - before.failed)
            time.sleep(self.limits.poll)
        probe.require_golden_answers(self.golden)

    def _judge(self, requests: float, failed: float) -> None:
        if failed >= self.limits.failed_requests and failed > self.limits.failed_share * requests:
            raise Refused(f"it failed to answer {failed:g} of {requests:g} requests")

    @contextmanager
    def _ending(self, side: Side) -> Iterator[None]:
        """End a release that is not put in place, whatever the reason, and show what it has printed."""
        try:
            yield
        except BaseException:
            self.say(self.host.log(side))
            self.host.stop(side)
            raise

    @contextmanager
    def _going_back(self, side: Side, former: Side | None) -> Iterator[None]:
        """Let the former release answer again where the new one does not last, also where the swap is interrupted."""
        try:
            yield
        except BaseException:
            if former is None:
                self.switch.settle()
                self.say(f"nothing else runs: what is on {side} is left there")
                raise
            self.switch.turn_to(former)
            self.switch.settle()
            self.say(f"{former} answers again")
            self.say(self.host.log(side))
            self.host.stop(side)
            raise

    def _retire(self, side: Side) -> None:
        """End the former release once its records are in the store, or time is up."""
        until = time.monotonic() + self.limits.drain
        while (pending := _pending(self.probes[side])) and time.monotonic() < until:
            time.sleep(self.limits.poll)
        if pending:
            self.say(f"{pending:g} bytes of records on {side} wait there for the next release")
        self.host.stop(side)

    def _record(self, entry: Entry) -> Entry:
        self.history.add(entry)
        self.say(f"{entry.release} on {entry.side}: {entry.outcome}{entry.reason and f', {entry.reason}'}")
        return entry


def _counts(probe: Probe) -> Counts | None:
    try:
        return probe.counts()
    except (OSError, HTTPException):
        return None


def _pending(probe: Probe) -> float:
    try:
        return probe.pending_bytes()
    except (OSError, HTTPException):
        return 0.0  # it has ended by itself
