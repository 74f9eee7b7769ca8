"""A certificate authority for a test run."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_KEY = ec.generate_private_key(ec.SECP256R1())
_ISSUER = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test authority")])


def _signed(
    subject: x509.Name, key: ec.EllipticCurvePublicKey, extension: x509.ExtensionType
) -> bytes:
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(_ISSUER)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(extension, critical=False)
        .sign(_KEY, hashes.SHA256())
    )
    return built.public_bytes(serialization.Encoding.PEM)


def authority(folder: Path) -> ssl.SSLContext:
    """Return a context that trusts only this authority."""
    path = folder / "authority.pem"
    basic = x509.BasicConstraints(ca=True, path_length=0)
    path.write_bytes(_signed(_ISSUER, _KEY.public_key(), basic))
    return ssl.create_default_context(cafile=str(path))


def certificate(folder: Path, name: str) -> Path:
    """Write a server certificate for `name`, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    names = x509.SubjectAlternativeName([x509.DNSName(name)])
    path = folder / f"{name}.pem"
    path.write_bytes(
        _signed(subject, key.public_key(), names)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path
