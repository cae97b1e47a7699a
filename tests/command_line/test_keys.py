"""New keys for the service's clients."""

import pytest

from bento_service.auth import ApiKeys
from resources.signatures import is_signed, sign
from tests.command_line.conftest import Housing


def test_a_key_that_was_made_is_valid_with_its_entry(housing: Housing) -> None:
    key, entry = (line.split()[-1] for line in housing("keys", "new", "mobile-2026").stdout.splitlines())

    assert entry.startswith("mobile-2026:")
    assert key not in entry
    ApiKeys.from_settings([entry], []).require("feedback", f"Bearer {key}")


def test_a_pair_of_signing_keys_fits(housing: Housing) -> None:
    private, public = (line.split()[-1] for line in housing("keys", "signing").stdout.splitlines())

    assert is_signed("ab" * 32, sign(private, "ab" * 32), [public])


@pytest.mark.parametrize("name", ["a:b", "a,b", "a b", ""])
def test_a_name_that_would_break_the_entry_is_refused(housing: Housing, name: str) -> None:
    shown = housing("keys", "new", name)
    assert shown.exit_code == 1
    assert f"the name is {name!r}" in shown.stderr
