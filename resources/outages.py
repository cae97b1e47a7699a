"""Which faults may pass by themselves: what a step talked to was away, busy or overloaded, and may be back soon."""

from collections.abc import Iterator

_BUSY_SQLITE = ("locked", "busy", "full", "disk i/o", "unable to open")
"""In messages of SQLite, which has the same kind of error for a table that does not exist."""

_OVERLOADED_S3 = {"InternalError", "RequestTimeout", "ServiceUnavailable", "SlowDown", "Throttling"}


def is_outage(fault: BaseException) -> bool:
    """Return whether a fault, or what led to it, is an outage of a database, a registry or an object store."""
    return any(_is_one(each) for each in _with_causes(fault))


def _with_causes(fault: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while fault is not None and id(fault) not in seen:
        seen.add(id(fault))
        yield fault
        fault = fault.__cause__ or fault.__context__


def _is_one(fault: BaseException) -> bool:
    return _is_of_network(fault) or _is_of_database(fault) or _is_of_registry(fault) or _is_of_object_store(fault)


def _is_of_network(fault: BaseException) -> bool:
    import httpx
    import requests

    if isinstance(fault, httpx.HTTPStatusError):
        return _is_temporary(fault.response.status_code)
    from_requests = (requests.ConnectionError, requests.Timeout, requests.exceptions.RetryError)
    kinds = (ConnectionError, TimeoutError, httpx.TransportError, *from_requests)
    return isinstance(fault, kinds) and not isinstance(fault, httpx.UnsupportedProtocol)


def _is_of_database(fault: BaseException) -> bool:
    from sqlalchemy import exc

    if isinstance(fault, exc.TimeoutError):  # of the pool
        return True
    if not isinstance(fault, exc.OperationalError | exc.InterfaceError):
        return False
    if type(fault.orig).__module__.startswith("sqlite3"):
        return any(word in str(fault.orig).lower() for word in _BUSY_SQLITE)
    return True


def _is_of_registry(fault: BaseException) -> bool:
    from mlflow.exceptions import RestException

    return isinstance(fault, RestException) and _is_temporary(fault.get_http_status_code())  # type: ignore[no-untyped-call]


def _is_of_object_store(fault: BaseException) -> bool:
    from boto3.exceptions import RetriesExceededError
    from botocore import exceptions

    if isinstance(fault, exceptions.ClientError):
        overloaded = fault.response.get("Error", {}).get("Code") in _OVERLOADED_S3
        return overloaded or _is_temporary(fault.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    broken_off = (exceptions.HTTPClientError, exceptions.ConnectionError, exceptions.IncompleteReadError)
    return isinstance(fault, (*broken_off, RetriesExceededError))


def _is_temporary(status: int) -> bool:
    return status == 429 or status >= 500
