"""The S3-compatible object store that listings may be read from."""

from typing import TYPE_CHECKING

import dagster as dg

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class ObjectStore(dg.ConfigurableResource):
    """Hands out an S3 client; endpoint, region and credentials come from the usual ``AWS_`` variables.

    ``dagster_aws`` is imported at the first use: it takes longer to import than the whole code location.
    """

    def client(self) -> "S3Client":
        """Return a client made by dagster-aws's ``S3Resource``."""
        from dagster_aws.s3 import S3Resource

        client: S3Client = S3Resource().get_client()
        return client
