"""Where raw listings come from."""

from typing import TYPE_CHECKING

import dagster as dg

from resources.object_store import ObjectStore

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class ListingSource(dg.ConfigurableResource):
    """The source of raw listings.

    ``location`` is read by ``housing_assets.listings.source``; without one the bundled synthetic sample of
    ``sample_rows`` ads is drawn with ``sample_seed``.
    """

    location: str = ""
    sample_rows: int = 6_000
    sample_seed: int = 0
    object_store: dg.ResourceDependency[ObjectStore]

    def s3_client(self) -> "S3Client":
        """Return the client for ``s3://`` locations."""
        return self.object_store.client()
