"""A certificate for the stand-in that speaks TLS, and what its clients trust."""

import datetime
import ipaddress
import os
import sys
from pathlib import Path

import certifi
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

BUNDLE, CERTIFICATE = "bundle.pem", "server.pem"
BEGIN, END = (datetime.datetime(year, 1, 1, tzinfo=datetime.UTC) for year in (2025, 2045))


def certify(folder: Path, *names: str) -> Path:
    """Make an authority and a server's certificate, once; return the bundle that clients trust, public ones in it."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / BUNDLE).exists():
        authority, server = _certificates(names)
        own = Path(os.environ.get("REQUESTS_CA_BUNDLE") or certifi.where())
        public = own if own.exists() else Path(certifi.where())
        (folder / CERTIFICATE).touch(mode=0o600)
        (folder / CERTIFICATE).write_bytes(server)
        (folder / BUNDLE).write_bytes(public.read_bytes() + authority)
    return folder / BUNDLE


def _certificates(names: tuple[str, ...]) -> tuple[bytes, bytes]:
    """Return an authority, and a certificate of these names with its key, as PEM."""
    issuer_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    issuer = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Watershed's stand-ins")])
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, names[0])])

    def signed(of: x509.Name, public: ec.EllipticCurvePublicKey, extension: x509.ExtensionType) -> x509.Certificate:
        builder = x509.CertificateBuilder(issuer, of, public, x509.random_serial_number())
        builder = builder.not_valid_before(BEGIN).not_valid_after(END)
        return builder.add_extension(extension, critical=True).sign(issuer_key, hashes.SHA256())

    authority = signed(issuer, issuer_key.public_key(), x509.BasicConstraints(ca=True, path_length=0))
    alternatives = [x509.IPAddress(ipaddress.ip_address(n)) if _is_address(n) else x509.DNSName(n) for n in names]
    server = signed(subject, key.public_key(), x509.SubjectAlternativeName(alternatives))
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return authority.public_bytes(pem), private + server.public_bytes(pem)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


if __name__ == "__main__":
    certify(Path(sys.argv[1]), *sys.argv[2:])
