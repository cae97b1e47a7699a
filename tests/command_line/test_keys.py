"""Keys for the service's clients: made, listed and revoked in the file that the service reads."""

from pathlib import Path

import pytest

from bento_service.auth import ApiKeys, Scope
from bento_service.key_file import read_file
from housing_assets.command_line.keys import KeyScope
from resources.signatures import is_signed, sign
from tests.command_line.conftest import Housing


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOUSING_STORAGE", str(tmp_path))
    return tmp_path / "keys"


def scopes_of(key: str, path: Path) -> set[str]:
    return {str(scope) for scope in ApiKeys.from_settings(read_file(path), []).identify(f"Bearer {key}").scopes}


def test_a_key_that_was_made_is_valid_and_the_file_does_not_hold_it(housing: Housing, path: Path) -> None:
    key, entry = (line.split()[-1] for line in housing("keys", "new", "mobile-2026").stdout.splitlines())

    assert path.read_text() == f"{entry}\n"
    assert key not in entry
    assert scopes_of(key, path) == {"predict", "feedback"}
    assert path.stat().st_mode & 0o077 == 0


def test_a_pair_of_signing_keys_fits(housing: Housing) -> None:
    private, public = (line.split()[-1] for line in housing("keys", "signing").stdout.splitlines())

    assert is_signed("ab" * 32, sign(private, "ab" * 32), [public])


def test_a_key_has_the_scopes_and_the_rate_that_were_asked_for(housing: Housing, path: Path) -> None:
    made = housing("keys", "new", "night", "--scope", "replay", "--scope", "admin", "--rate", "2.5").stdout

    assert scopes_of(made.splitlines()[0].split()[-1], path) == {"replay", "admin"}
    assert housing("keys", "list").stdout.split() == ["night", "admin,", "replay", "2.5/s"]


def test_a_revoked_key_is_valid_no_more_and_the_others_are(housing: Housing, path: Path) -> None:
    path.write_text("# the app on the phones\n")
    first, second = (housing("keys", "new", name).stdout.splitlines()[0].split()[-1] for name in ("first", "second"))

    assert housing("keys", "revoke", "first").exit_code == 0

    assert scopes_of(first, path) == set()
    assert scopes_of(second, path) == {"predict", "feedback"}
    assert path.read_text().startswith("# the app on the phones\n")


@pytest.mark.parametrize("name", ["a:b", "a,b", "a b", "a#b", ""])
def test_a_name_that_would_break_the_entry_is_refused(housing: Housing, path: Path, name: str) -> None:
    shown = housing("keys", "new", name)
    assert shown.exit_code == 1
    assert f"the name is {name!r}" in shown.stderr
    assert not path.exists()


def test_a_name_is_given_once(housing: Housing, path: Path) -> None:
    housing("keys", "new", "mobile")
    before = path.read_text()

    shown = housing("keys", "new", "mobile")

    assert shown.exit_code == 1
    assert "mobile" in shown.stderr
    assert path.read_text() == before


def test_a_name_that_nobody_has_cannot_be_revoked(housing: Housing, path: Path) -> None:
    shown = housing("keys", "revoke", "nobody")
    assert shown.exit_code == 1
    assert "no key 'nobody'" in shown.stderr


def test_the_command_line_knows_every_scope() -> None:
    assert [str(scope) for scope in KeyScope] == [str(scope) for scope in Scope]
