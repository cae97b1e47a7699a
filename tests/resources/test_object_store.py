"""Against a real S3 server (moto's) on a free port."""

from resources.listing_source import ListingSource
from resources.object_store import ObjectStore


def test_the_client_talks_to_the_endpoint_that_the_environment_names(s3_endpoint: str) -> None:
    client = ObjectStore().client()
    client.create_bucket(Bucket="ads", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    client.put_object(Bucket="ads", Key="2026/a.csv", Body=b"district\n")

    stored = ListingSource(object_store=ObjectStore()).s3_client().get_object(Bucket="ads", Key="2026/a.csv")

    assert stored["Body"].read() == b"district\n"
    assert client.meta.endpoint_url == s3_endpoint
