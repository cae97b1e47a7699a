"""A running service, as the service's own tests have it."""

from tests.bento_service.conftest import service

__all__ = ["service"]
