"""The gate that lets calls in flight end, and waits for a quiet moment, before the gRPC server closes."""

import asyncio
import contextlib
import time

from bento_service.errors import ServiceError
from bento_service.protocols import grpc_server
from bento_service.protocols.grpc_server import DrainGate


def test_the_gate_waits_until_answers_in_flight_had_a_moment_to_be_sent() -> None:
    async def drain_with_a_call_in_flight() -> tuple[bool, float]:
        gate = DrainGate()
        with gate:
            draining = asyncio.create_task(gate.drain())
            await asyncio.sleep(3 * grpc_server._QUIET_SECONDS)
            ended_before = draining.done()
            answered = time.monotonic()
        await draining
        return ended_before, time.monotonic() - answered

    ended_before, afterwards = asyncio.run(drain_with_a_call_in_flight())
    assert not ended_before
    assert afterwards >= grpc_server._QUIET_SECONDS


def test_the_gate_waits_for_a_moment_in_which_no_call_comes_again() -> None:
    async def drain_while_calls_come_again(seconds: float) -> tuple[bool, float]:
        gate = DrainGate()
        draining = asyncio.create_task(gate.drain())
        begun = time.monotonic()
        while time.monotonic() - begun < seconds:
            await asyncio.sleep(grpc_server._QUIET_SECONDS / 2)
            with contextlib.suppress(ServiceError), gate:
                pass
        ended_before = draining.done()
        refused = time.monotonic()
        await draining
        return ended_before, time.monotonic() - refused

    ended_before, afterwards = asyncio.run(drain_while_calls_come_again(1.3))
    assert not ended_before
    assert afterwards >= grpc_server._QUIET_SECONDS / 2
    ended_before, _ = asyncio.run(drain_while_calls_come_again(grpc_server.GRACE_SECONDS + 0.3))
    assert ended_before


def test_the_gate_does_not_take_an_event_loop_that_was_held_up_for_a_quiet_moment() -> None:
    async def drain_while_held_up() -> bool:
        gate = DrainGate()
        draining = asyncio.create_task(gate.drain())
        await asyncio.sleep(0)
        time.sleep(3 * grpc_server._QUIET_SECONDS)
        await asyncio.sleep(0.01)
        with contextlib.suppress(ServiceError), gate:
            pass
        ended_before = draining.done()
        await draining
        return ended_before

    assert not asyncio.run(drain_while_held_up())
