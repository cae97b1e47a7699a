"""Signatures of manifests: only what was signed, only by whom it was signed."""

from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from housing_assets.inference.artifact import MANIFEST, sha256
from housing_assets.packaging.registration import manifest_tags
from resources.serving_settings import ServingSettings
from resources.settings import Settings
from resources.signatures import is_signed, new_key_pair, sign

DIGEST = "ab" * 32


def test_a_signature_is_of_one_digest_and_by_one_key() -> None:
    (private, public), (_, other) = new_key_pair(), new_key_pair()
    signature = sign(private, DIGEST)
    assert is_signed(DIGEST, signature, [other, public])
    assert not is_signed(DIGEST, signature, [other])
    assert not is_signed("cd" * 32, signature, [public])
    assert not is_signed(DIGEST, signature, [])


@pytest.mark.parametrize("signature", ["", "!", "AAAA", "é", "A" * 10_000])
def test_what_is_no_signature_is_none(signature: str) -> None:
    _, public = new_key_pair()
    assert not is_signed(DIGEST, signature, [public])


def test_an_artifact_is_registered_with_its_signature_where_there_is_a_key(saved: Path) -> None:
    private, public = new_key_pair()
    digest = sha256(saved / MANIFEST)
    tags = manifest_tags(saved, SecretStr(private))
    assert tags["artifact_sha256"] == digest
    assert is_signed(digest, tags["artifact_signature"], [public])
    assert manifest_tags(saved, None) == {"artifact_sha256": digest}


def test_a_wrong_key_is_refused_at_the_start_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    private, public = new_key_pair()
    monkeypatch.setenv("HOUSING_SIGNING_KEY", private)
    monkeypatch.setenv("HOUSING_TRUSTED_SIGNERS", f"{public}, {public}")
    assert ServingSettings().trusted_signers == [public, public]
    assert private not in repr(Settings())
    monkeypatch.setenv("HOUSING_SIGNING_KEY", private[:-4])
    with pytest.raises(
        ValueError, match="HOUSING_SIGNING_KEY is no private key: expected 32 bytes as base64"
    ) as caught:
        Settings()
    assert private[:-4] not in str(caught.value)
    monkeypatch.delenv("HOUSING_SIGNING_KEY")
    monkeypatch.setenv("HOUSING_TRUSTED_SIGNERS", "nobody")
    with pytest.raises(ValidationError, match="expected 32 bytes as base64"):
        ServingSettings()
