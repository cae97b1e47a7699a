"""The S3-compatible object store: listings may be read from it, and in production all that is stored lies there."""

import os
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import dagster as dg

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

P = ParamSpec("P")
T = TypeVar("T")


class ObjectStore(dg.ConfigurableResource):
    """Hands out an S3 client; endpoint, region and credentials come from the usual ``AWS_`` variables.

    ``dagster_aws`` is imported at the first use: it takes longer to import than the whole code location.
    """

    def client(self) -> "S3Client":
        """Return a client made by dagster-aws's ``S3Resource``, the same one while the environment is."""
        return _client(frozenset(item for item in os.environ.items() if item[0].startswith("AWS_")))


@lru_cache(maxsize=4)
def _client(environment: frozenset[tuple[str, str]]) -> "S3Client":
    """Make a client, which takes a third of a second and may be used by several threads."""
    from dagster_aws.s3 import S3Resource

    client: S3Client = S3Resource().get_client()
    return client


def split_location(location: str) -> tuple[str, str]:
    """Return the bucket and the prefix of ``s3://bucket/prefix``; the prefix has no slash at its ends.

    Raises
    ------
    ValueError
        If it is no such location.
    """
    scheme, _, rest = location.partition("://")
    bucket, _, prefix = rest.partition("/")
    if scheme != "s3" or not bucket or "?" in rest or "#" in rest or "@" in bucket:
        raise ValueError("expected s3://bucket/prefix")
    return bucket, prefix.strip("/")


def again_if_broken_off(read: Callable[P, T]) -> Callable[P, T]:
    """Return a function that reads the body of an answer anew where the connection ended within it.

    botocore tries requests again, but not the reading of an answer that has begun.
    """
    from botocore.exceptions import IncompleteReadError, ReadTimeoutError, ResponseStreamingError
    from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random_exponential

    return retry(
        retry=retry_if_exception_type((IncompleteReadError, ReadTimeoutError, ResponseStreamingError)),
        stop=stop_after_attempt(4),
        wait=wait_random_exponential(multiplier=0.2, max=5),
        reraise=True,
    )(read)
