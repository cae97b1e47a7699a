"""Certificates of a compute cluster: who may talk to its scheduler and its workers, both ways.

Whoever may talk to them may run code there. An authority of its own therefore signs for the cluster and for nothing
else, and everyone shows a certificate of it; names are not compared, because workers come and go under any address.
"""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.x509 import Certificate
    from distributed import Security

ROLES = ("scheduler", "worker", "client")
"""Who has a certificate; the client is the platform's code location."""

AUTHORITY, CERTIFICATE, KEY = "authority.pem", "certificate.pem", "key.pem"
"""Files of a role's folder: whom it trusts, what it shows, and the private key of that."""

AUTHORITY_KEY = "authority.key"
"""Private key of the authority, which no machine of the cluster needs."""

AUTHORITY_DAYS = 3_650
CERTIFICATE_DAYS = 365

_COMMAND = "`housing compute certificates FOLDER` makes it"


def make_certificates(folder: Path, days: int = CERTIFICATE_DAYS) -> None:
    """Make a certificate for each role, and an authority where the folder has none.

    Made again, certificates are renewed: those before them stay valid until they expire, because all of them are signed
    by the one authority.

    Parameters
    ----------
    folder : Path
        Of the authority; each role has a folder in it.
    days : int
        For which certificates are valid.

    Raises
    ------
    ValueError
        If only one half of the authority is there.
    """
    from cryptography.hazmat.primitives import serialization
    from cryptography.x509 import load_pem_x509_certificate

    folder.mkdir(parents=True, exist_ok=True)
    paths = folder / AUTHORITY, folder / AUTHORITY_KEY
    there = [path.exists() for path in paths]
    if any(there) and not all(there):
        raise ValueError(f"{folder}: {AUTHORITY} and {AUTHORITY_KEY} belong together, and one of them is missing")
    if all(there):
        authority = load_pem_x509_certificate(paths[0].read_bytes())
        key = serialization.load_pem_private_key(paths[1].read_bytes(), password=None)
    else:
        authority, key = _certify("housing compute authority", AUTHORITY_DAYS)
        _write(paths[0], authority.public_bytes(serialization.Encoding.PEM))
        _write_key(paths[1], key)
    for role in ROLES:
        certificate, own = _certify(f"housing compute {role}", days, (authority, key))  # type: ignore[arg-type]
        (folder / role).mkdir(exist_ok=True)
        _write(folder / role / AUTHORITY, paths[0].read_bytes())
        _write(folder / role / CERTIFICATE, certificate.public_bytes(serialization.Encoding.PEM))
        _write_key(folder / role / KEY, own)


def require_certificates(folder: Path) -> None:
    """Refuse a folder that is none of a role.

    Raises
    ------
    ValueError
        Naming what is missing, or that the certificate has expired or its key is another's.
    """
    import ssl

    from cryptography.x509 import load_pem_x509_certificate

    missing = [name for name in (AUTHORITY, CERTIFICATE, KEY) if not (folder / name).is_file()]
    if missing:
        raise ValueError(f"{folder} has no {', '.join(missing)}: {_COMMAND}")
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(folder / AUTHORITY)
        context.load_cert_chain(folder / CERTIFICATE, folder / KEY)
        until = load_pem_x509_certificate((folder / CERTIFICATE).read_bytes()).not_valid_after_utc
    except (ssl.SSLError, OSError, ValueError) as fault:
        raise ValueError(f"{folder}: no certificate with its key: {fault}; {_COMMAND}") from fault
    if until < datetime.now(UTC):
        raise ValueError(f"{folder / CERTIFICATE} has expired on {until:%Y-%m-%d}: {_COMMAND} anew")


def security(folder: Path) -> "Security":
    """Return what Dask secures connections with, from the folder of a role."""
    from distributed import Security

    shown = {f"tls_{role}_{kind}": str(folder / file) for role in ROLES for kind, file in _SHOWN}
    return Security(require_encryption=True, tls_ca_file=str(folder / AUTHORITY), **shown)


_SHOWN = (("cert", CERTIFICATE), ("key", KEY))


def _certify(
    name: str, days: int, issuer: "tuple[Certificate, EllipticCurvePrivateKey] | None" = None
) -> "tuple[Certificate, EllipticCurvePrivateKey]":
    """Return a new key and its certificate: of an authority without an issuer, else good for both ends of TLS."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signing = issuer[1] if issuer else key
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))  # clocks differ
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None if issuer else 0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key()), critical=False)
        .add_extension(
            x509.KeyUsage(
                digital_signature=issuer is not None,
                key_cert_sign=issuer is None,
                crl_sign=issuer is None,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
    )
    if issuer:
        both = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
        builder = builder.add_extension(both, critical=False)
    return builder.sign(signing, hashes.SHA256()), key


def _write_key(path: Path, key: "EllipticCurvePrivateKey") -> None:
    from cryptography.hazmat.primitives import serialization

    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    _write(path, pem, mode=0o600)


def _write(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Replace a file whole, readable by nobody else from its first byte where it is a key."""
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
    draft.replace(path)
