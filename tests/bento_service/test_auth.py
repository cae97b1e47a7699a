"""API keys: several are valid at once, none is stored, and only what is open is answered without."""

import pytest

from bento_service.auth import ApiKeys, digest, new_key
from bento_service.errors import Kind, ServiceError

KEYS = ApiKeys.from_settings([f"old:{digest('first').hex()}", f"new:{digest('second').hex()}"], ["predict"])


@pytest.mark.parametrize(
    "authorization", ["Bearer first", "Bearer second", "bearer second", "BEARER  second", "Bearer second "]
)
def test_during_a_rotation_both_keys_are_valid(authorization: str) -> None:
    KEYS.require("feedback", authorization)


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer ", "Bearer third", "first", "Basic first", "Bearer first second", "Bearer fırst", "é"],
)
def test_anything_else_is_refused(authorization: str | None) -> None:
    with pytest.raises(ServiceError) as refused:
        KEYS.require("feedback", authorization)
    assert refused.value.kind is Kind.UNAUTHENTICATED


def test_the_digest_itself_is_no_key() -> None:
    with pytest.raises(ServiceError):
        KEYS.require("feedback", f"Bearer {digest('first').hex()}")


def test_what_is_open_needs_no_key() -> None:
    KEYS.require("predict", None)
    KEYS.require("predict", "Bearer wrong")


def test_without_any_key_what_is_closed_stays_closed() -> None:
    with pytest.raises(ServiceError):
        ApiKeys.from_settings([], ["predict"]).require("feedback", "Bearer ")


def test_a_new_key_is_valid_with_its_entry() -> None:
    key, entry = new_key("mobile")
    assert entry.startswith("mobile:")
    assert key not in entry
    ApiKeys.from_settings([entry], []).require("feedback", f"Bearer {key}")


@pytest.mark.parametrize("name", ["", "a:b", "a,b", "a b"])
def test_a_name_that_would_break_its_entry_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="without colons"):
        new_key(name)
