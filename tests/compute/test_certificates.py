import ssl
import stat
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.x509 import load_pem_x509_certificate

from resources.compute.certificates import AUTHORITY_KEY, ROLES, make_certificates, require_certificates


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificates")
    make_certificates(folder)
    return folder


@pytest.mark.parametrize("role", ROLES)
def test_each_role_has_a_certificate_that_its_authority_has_signed(made, role):
    require_certificates(made / role)
    authority = load_pem_x509_certificate((made / role / "authority.pem").read_bytes())
    certificate = load_pem_x509_certificate((made / role / "certificate.pem").read_bytes())
    certificate.verify_directly_issued_by(authority)
    assert timedelta(days=364) < certificate.not_valid_after_utc - datetime.now(UTC) <= timedelta(days=365)


@pytest.mark.parametrize(("server", "client"), [("scheduler", "worker"), ("worker", "client"), ("worker", "worker")])
def test_two_roles_shake_hands_under_the_strict_rules_of_x509(made, server, client):
    """Of a context of Python's own: Dask switches them off."""
    listening = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=made / server / "authority.pem")
    asking = ssl.create_default_context(cafile=made / client / "authority.pem")
    for context, role in ((listening, server), (asking, client)):
        context.verify_mode, context.check_hostname = ssl.CERT_REQUIRED, False
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        context.load_cert_chain(made / role / "certificate.pem", made / role / "key.pem")
    buffers = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = asking.wrap_bio(*buffers), listening.wrap_bio(*reversed(buffers), server_side=True)
    done = set()
    for _ in range(10):
        for end in set(ends) - done:
            try:
                end.do_handshake()
                done.add(end)
            except ssl.SSLWantReadError:
                pass
    assert done == set(ends)


def test_keys_are_for_their_owner_alone(made):
    for path in (made / AUTHORITY_KEY, *(made / role / "key.pem" for role in ROLES)):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not list((made / "worker").glob(AUTHORITY_KEY))


def test_made_again_they_are_renewed_by_the_same_authority(tmp_path):
    make_certificates(tmp_path, days=1)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.pem")}
    make_certificates(tmp_path)
    renewed = {path.name for path, content in before.items() if path.read_bytes() != content}
    assert renewed == {"certificate.pem", "key.pem"}


def test_half_an_authority_is_refused(tmp_path):
    make_certificates(tmp_path)
    (tmp_path / AUTHORITY_KEY).unlink()
    with pytest.raises(ValueError, match=r"authority\.pem and authority\.key belong together"):
        make_certificates(tmp_path)


def test_what_is_no_certificate_is_refused_with_the_command_that_makes_it(made, tmp_path):
    (tmp_path / "authority.pem").write_bytes((made / "authority.pem").read_bytes())
    with pytest.raises(ValueError, match=r"has no certificate\.pem, key\.pem: `housing compute certificates FOLDER`"):
        require_certificates(tmp_path)
    (tmp_path / "certificate.pem").write_bytes((made / "worker/certificate.pem").read_bytes())
    (tmp_path / "key.pem").write_bytes((made / "client/key.pem").read_bytes())
    with pytest.raises(ValueError, match="no certificate with its key"):
        require_certificates(tmp_path)


def test_an_expired_certificate_is_refused(tmp_path):
    make_certificates(tmp_path, days=0)
    with pytest.raises(ValueError, match=r"certificate\.pem has expired on"):
        require_certificates(tmp_path / "client")
