"""What BentoML is told of the endpoints' types: the schemas of the market that answers at the time.

Endpoints are declared when the service is imported; columns and categories are known once a model is loaded. BentoML
makes the schemas anew for whoever asks for ``/schema.json``, and they are those of the OpenAPI document then.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import GetJsonSchemaHandler
    from pydantic_core import CoreSchema

    from bento_service.protocols.http import HttpApi


class Described:
    """Annotation that gives a type its schema in the OpenAPI document; without a running service, it has its own.

    Parameters
    ----------
    api : HttpApi
    name : str
        Of the schema.
    field : str, optional
        Whose schema is meant, instead of the whole.
    """

    def __init__(self, api: "HttpApi", name: str, field: str | None = None) -> None:
        self._api = api
        self._name = name
        self._field = field

    def __get_pydantic_json_schema__(
        self, core_schema: "CoreSchema", handler: "GetJsonSchemaHandler"
    ) -> dict[str, Any]:
        """Return the schema as of now, with no reference in it: BentoML loses most of what they refer to."""
        from bento_service.protocols.openapi_schemas import schemas

        service = self._api.service
        if service is None:
            return handler(core_schema)
        known = schemas(service.models.snapshot, service.classifier.max_batch)
        found = known[self._name]
        return _resolve(found if self._field is None else found["properties"][self._field], known)


def _resolve(part: Any, known: Mapping[str, Any]) -> Any:
    """Return a schema with what it refers to in place of the references."""
    if isinstance(part, list):
        return [_resolve(each, known) for each in part]
    if not isinstance(part, dict):
        return part
    if "$ref" in part:
        return _resolve(known[part["$ref"].rpartition("/")[2]], known)
    return {key: _resolve(value, known) for key, value in part.items()}
