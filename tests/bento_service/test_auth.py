"""API keys: several are valid at once, none is stored, each has its scopes, and only what is open needs none."""

import pytest

from bento_service.auth import ApiKeys, Scope, digest, new_key, read_entries
from bento_service.errors import Kind, ServiceError

FIRST, SECOND, THIRD = (digest(key).hex() for key in ("first", "second", "third"))
KEYS = ApiKeys.from_settings([f"old:{FIRST}", f"new:{SECOND}", f"phones:{THIRD}:predict+feedback:20"], ["predict"])


def refusal(endpoint: str, authorization: str | None, keys: ApiKeys = KEYS) -> Kind | None:
    try:
        keys.require(endpoint, keys.identify(authorization))
    except ServiceError as fault:
        return fault.kind
    return None


@pytest.mark.parametrize(
    "authorization", ["Bearer first", "Bearer second", "bearer second", "BEARER  second", "Bearer second "]
)
def test_during_a_rotation_both_keys_are_valid(authorization: str) -> None:
    assert refusal("feedback", authorization) is None


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer fourth",
        "first",
        "Basic first",
        "Bearer first second",
        "Bearer fırst",
        "é",
    ],
)
def test_anything_else_is_refused(authorization: str | None) -> None:
    assert refusal("feedback", authorization) is Kind.UNAUTHENTICATED


def test_the_digest_itself_is_no_key() -> None:
    assert refusal("feedback", f"Bearer {FIRST}") is Kind.UNAUTHENTICATED


def test_what_is_open_needs_no_key() -> None:
    assert refusal("predict", None) is None
    assert refusal("predict", "Basic of-a-proxy") is None


def test_a_key_that_is_not_valid_is_refused_where_none_is_needed_unless_no_key_is_valid() -> None:
    assert refusal("predict", "Bearer withdrawn") is Kind.UNAUTHENTICATED
    assert refusal("predict", "Bearer of-elsewhere", ApiKeys.from_settings([], ["predict"])) is None


def test_without_any_key_what_is_closed_stays_closed() -> None:
    assert refusal("feedback", "Bearer ", ApiKeys.from_settings([], ["predict"])) is Kind.UNAUTHENTICATED
    of_nothing = ApiKeys.from_settings([f"empty:{digest('').hex()}"], [])
    assert refusal("feedback", "Bearer ", of_nothing) is Kind.UNAUTHENTICATED


@pytest.mark.parametrize(
    ("endpoint", "kind"),
    [
        ("predict_batch", None),
        ("feedback", None),
        ("replay", Kind.FORBIDDEN),
        ("model", Kind.FORBIDDEN),
        ("health", Kind.FORBIDDEN),
        ("metrics", Kind.FORBIDDEN),
    ],
)
def test_a_key_is_good_for_its_scopes_and_one_without_for_all(endpoint: str, kind: Kind | None) -> None:
    assert refusal(endpoint, "Bearer third") is kind
    assert refusal(endpoint, "Bearer first") is None


def test_a_key_knows_its_name_and_rate() -> None:
    assert KEYS.identify("Bearer third").name == "phones"
    assert KEYS.identify("Bearer third").rate == 20
    assert KEYS.identify("Bearer fourth").is_anonymous


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([f"a:{FIRST}", f"a:{SECOND}"], "entry 2 has the name 'a' of another one"),
        ([f"a:{FIRST}", f"b:{FIRST}"], "entry 2, 'b', is the key of 'a', too"),
        ([f"anonymous:{FIRST}"], "which is that of clients without a key"),
        ([f"a:{FIRST}:sell"], "entry 1 is not name:sha256"),
        ([f"a:{FIRST}:"], "entry 1 is not name:sha256"),
        ([f"a:{FIRST}:predict:-1"], "entry 1 is not name:sha256"),
        (["the-key-itself"], "entry 1 is not name:sha256"),
    ],
)
def test_entries_that_are_none_or_ambiguous_are_refused(entries: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message) as refused:
        read_entries(entries)
    assert "the-key-itself" not in str(refused.value)


@pytest.mark.parametrize(
    ("scopes", "rate"), [([], None), (["predict"], None), (["feedback", "admin"], 0.5), ([], 10), (["predict"], 0.001)]
)
def test_a_new_key_is_valid_with_its_entry(scopes: list[str], rate: float | None) -> None:
    key, entry = new_key("mobile", scopes, rate)
    assert entry.startswith("mobile:")
    assert key not in entry
    found = ApiKeys.from_settings([entry], []).identify(f"Bearer {key}")
    assert found == ("mobile", frozenset(scopes or Scope), rate)


@pytest.mark.parametrize("name", ["", "a:b", "a,b", "a b", "#a"])
def test_a_name_that_would_break_its_entry_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="without colons"):
        new_key(name)
