"""Requests take turns: the event loop looks for what is new between them, and refuses what would wait for too long."""

import asyncio
import time

import pytest

from bento_service.errors import Kind, ServiceError
from bento_service.request_queue import ANSWERS_A_TURN, RequestQueue


async def answer(queue: RequestQueue, name: int, answered: list[int]) -> None:
    await queue.wait_for_turn()
    answered.append(name)


def test_requests_are_answered_in_their_order_a_few_in_a_turn_of_the_loop() -> None:
    async def run() -> None:
        queue, answered = RequestQueue(max_delay=1.0), list[int]()
        tasks = [asyncio.create_task(answer(queue, name, answered)) for name in range(30)]
        for turn in range(40):
            before = len(answered)
            if turn == 3:
                tasks += [asyncio.create_task(answer(queue, name, answered)) for name in range(30, 50)]
            await asyncio.sleep(0)
            assert len(answered) - before <= ANSWERS_A_TURN
        assert answered == list(range(50))
        assert all(task.done() for task in tasks)

    asyncio.run(run())


def test_a_request_that_is_alone_does_not_wait() -> None:
    async def run() -> None:
        queue, answered = RequestQueue(max_delay=1.0), list[int]()
        for name in range(3 * ANSWERS_A_TURN):
            await answer(queue, name, answered)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        assert len(answered) == 3 * ANSWERS_A_TURN

    asyncio.run(run())


def test_a_request_that_is_given_up_takes_no_turn_from_others() -> None:
    async def run() -> None:
        queue, answered = RequestQueue(max_delay=1.0), list[int]()
        tasks = [asyncio.create_task(answer(queue, name, answered)) for name in range(3 * ANSWERS_A_TURN)]
        await asyncio.sleep(0)
        for each in tasks[ANSWERS_A_TURN : 2 * ANSWERS_A_TURN]:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert answered == [*range(ANSWERS_A_TURN), *range(2 * ANSWERS_A_TURN, 3 * ANSWERS_A_TURN)]

    asyncio.run(run())


def test_requests_are_refused_while_the_first_that_waits_has_waited_for_too_long() -> None:
    async def run() -> None:
        queue, answered = RequestQueue(max_delay=0.05), list[int]()
        tasks = [asyncio.create_task(answer(queue, name, answered)) for name in range(2 * ANSWERS_A_TURN)]
        await asyncio.sleep(0)
        queue.require_capacity()
        time.sleep(0.06)  # what keeps the loop busy
        with pytest.raises(ServiceError, match=r"requests wait 0\.1 s, longer than the 0\.05 s") as refused:
            queue.require_capacity()
        assert refused.value.kind is Kind.OVERLOADED
        await asyncio.gather(*tasks)
        queue.require_capacity()

    asyncio.run(run())
