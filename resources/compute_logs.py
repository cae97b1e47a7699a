"""What steps print, in production: in the object store, for the lineage page of whichever machine."""

from collections.abc import Mapping
from typing import Any, Self

import dagster as dg
from dagster_aws.s3 import S3ComputeLogManager

from resources.dagster_internals import ConfigurableClassData
from resources.object_store import split_location


class S3ComputeLogs(S3ComputeLogManager):  # type: ignore[misc] # dagster-aws has no types
    """dagster-aws's log manager, told where by ``HOUSING_OBJECT_STORE`` as everything else is (deploy/dagster.yaml)."""

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """Return what dagster.yaml may say: ``location``, an ``s3://bucket/prefix``."""
        return {"location": dg.StringSource}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData, config_value: Mapping[str, Any]) -> Self:
        """Return the manager of a configuration."""
        bucket, prefix = split_location(config_value["location"])
        return cls(bucket=bucket, prefix=f"{prefix}/logs".lstrip("/"), inst_data=inst_data)

    def stored_bytes(self) -> int:
        """Return how much lies in the object store."""
        pages = self._s3_session.get_paginator("list_objects_v2").paginate(
            Bucket=self._s3_bucket, Prefix=f"{self._s3_prefix}/"
        )
        return sum(entry["Size"] for page in pages for entry in page.get("Contents", ()))
