"""Signatures of registered versions (Ed25519, RFC 8032): who has made what the service loads.

Whoever can write to the registry can write the digest of a manifest, too, but not sign it. The private key is where
versions are registered; services know public keys alone.
"""

import base64
from collections.abc import Iterable

KEY_BYTES = 32

_CONTEXT = b"housing-price-platform: manifest with SHA-256 "
"""What is signed before the digest, so that a signature of something else is none of a manifest."""


def new_key_pair() -> tuple[str, str]:
    """Return a private key and its public key, both as base64."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private = Ed25519PrivateKey.generate()
    return _encode(private.private_bytes_raw()), _encode(private.public_key().public_bytes_raw())


def sign(private_key: str, manifest_sha256: str) -> str:
    """Return the signature of a manifest, as base64.

    Parameters
    ----------
    private_key : str
        As ``new_key_pair`` returns it.
    manifest_sha256 : str
        The manifest's SHA-256, as hexadecimal digits.

    Raises
    ------
    ValueError
        If it is no such key.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return _encode(Ed25519PrivateKey.from_private_bytes(read_key(private_key)).sign(_message(manifest_sha256)))


def is_signed(manifest_sha256: str, signature: str, public_keys: Iterable[str]) -> bool:
    """Return whether a signature of a manifest was made with the private key of one of the public keys."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        signed = base64.b64decode(signature, validate=True)
    except ValueError:
        return False
    for key in public_keys:
        try:
            Ed25519PublicKey.from_public_bytes(read_key(key)).verify(signed, _message(manifest_sha256))
        except InvalidSignature:
            continue
        return True
    return False


def read_key(text: str) -> bytes:
    """Return the bytes of a key.

    Raises
    ------
    ValueError
        If it is no key; the message does not show it.
    """
    try:
        key = base64.b64decode(text, validate=True)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise ValueError(f"expected {KEY_BYTES} bytes as base64; `housing keys signing` makes a pair")
    return key


def _message(manifest_sha256: str) -> bytes:
    return _CONTEXT + manifest_sha256.encode()


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()
