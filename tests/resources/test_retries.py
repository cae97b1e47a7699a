"""Steps are tried again while what they talk to is away, and not when another try would end the same way."""

import socket
import threading
import time
from collections.abc import Iterator

import dagster as dg
import pytest

from resources import retries
from resources.ports import free_port
from resources.retries import retried

PORT = free_port()
TRIES: list[int] = []


def knock(context: dg.AssetExecutionContext) -> int:
    TRIES.append(context.retry_number)
    socket.create_connection(("127.0.0.1", PORT), timeout=2).close()
    return len(TRIES)


@dg.asset
@retried
def patient(context: dg.AssetExecutionContext) -> int:
    """Knock at a server."""
    return knock(context)


@dg.asset
@retried
def streaming(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:
    """Knock at a server."""
    yield dg.MaterializeResult(metadata={"tries": knock(context)})


@dg.asset
@retried
def mistaken(context: dg.AssetExecutionContext) -> None:
    """Fail for good."""
    TRIES.append(context.retry_number)
    raise ValueError("3 rows have no district")


@dg.asset
@retried
def explained(context: dg.AssetExecutionContext) -> None:
    """Knock at a server, and say what it means that nobody opens."""
    try:
        knock(context)
    except ConnectionError as fault:
        raise dg.Failure("the store cannot be read") from fault


@dg.asset_check(asset=patient)
@retried
def reached(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Knock at a server."""
    TRIES.append(context.op_execution_context.retry_number)
    if len(TRIES) < 3:
        raise ConnectionRefusedError("nobody opens")
    return dg.AssetCheckResult(passed=True)


@dg.asset
@retried
def decided(context: dg.AssetExecutionContext) -> None:
    """Knock at a server, and give up for good."""
    try:
        knock(context)
    except ConnectionError as fault:
        raise dg.Failure("its values are of two trainings", allow_retries=False) from fault


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "DELAYS", (0.5, 0.5, 0.5, 0.5))
    TRIES.clear()


@pytest.mark.parametrize("asset", [patient, streaming], ids=["value", "stream"])
def test_a_step_is_tried_again_until_the_server_is_back(asset: dg.AssetsDefinition) -> None:
    with socket.socket() as server:

        def come_back() -> None:
            while len(TRIES) < 2:
                time.sleep(0.05)
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            server.bind(("127.0.0.1", PORT))
            server.listen()

        coming = threading.Thread(target=come_back)
        coming.start()
        result = dg.materialize([asset])
        coming.join()
    assert result.success
    assert list(range(len(TRIES))) == TRIES
    assert len(TRIES) > 1


def test_a_server_that_stays_away_fails_the_step_as_it_is() -> None:
    result = dg.materialize([patient], raise_on_error=False)
    assert not result.success
    assert TRIES == [0, 1, 2, 3, 4]
    (failure,) = result.get_step_failure_events()
    assert "ConnectionRefusedError" in str(failure.step_failure_data.error)


def test_an_outage_is_tried_again_also_where_the_step_has_said_what_it_means() -> None:
    result = dg.materialize([explained], raise_on_error=False)
    assert TRIES == [0, 1, 2, 3, 4]
    (failure,) = result.get_step_failure_events()
    assert failure.step_failure_data.user_failure_data is not None
    assert failure.step_failure_data.user_failure_data.description == "the store cannot be read"


def test_the_log_says_what_is_away_and_when_it_is_tried_again() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        run = dg.materialize([explained], instance=instance, raise_on_error=False)
        told = [entry.user_message for entry in instance.all_logs(run.run_id)]
    assert [message for message in told if "trying again" in message] == [
        f"the store cannot be read; trying again in 0 s (retry {retry} of 4)" for retry in (1, 2, 3, 4)
    ]


def test_a_check_is_tried_again_as_an_asset_is() -> None:
    only = dg.AssetSelection.checks(reached)
    result = dg.materialize([patient, reached], selection=only, raise_on_error=False)
    assert result.success
    assert TRIES == [0, 1, 2]


@pytest.mark.parametrize("asset", [mistaken, decided], ids=["wrong", "forbidden"])
def test_what_is_wrong_or_allows_no_retry_is_not_tried_again(asset: dg.AssetsDefinition) -> None:
    assert not dg.materialize([asset], raise_on_error=False).success
    assert TRIES == [0]
