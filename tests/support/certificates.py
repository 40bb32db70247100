"""Certificates for servers of tests: that vouch for themselves, or of an authority that nobody else knows."""

import datetime
import ipaddress
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Key = ec.EllipticCurvePrivateKey


def make_certificate(folder: Path, *names: str) -> tuple[Path, Path]:
    """Chain and key, as PEM files, of a server at 127.0.0.1 that has these names too; it is its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    signed = _signed(key, names[0], key, names[0], is_authority=True, names=names)
    return _written(folder, "chain.pem", signed), _written(folder, "key.pem", key)


def make_authority(folder: Path, *names: str) -> tuple[Path, Path, Path]:
    """An authority, and chain and key of a server at 127.0.0.1 that it vouches for: some clients take no other."""
    key, servers = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = _signed(key, "authority", key, "authority", is_authority=True, names=["authority.test"])
    signed = _signed(servers, names[0], key, "authority", is_authority=False, names=names)
    paths = _written(folder, "authority.pem", authority), _written(folder, "chain.pem", signed)
    return *paths, _written(folder, "key.pem", servers)


def _signed(key: Key, name: str, by: Key, issuer: str, *, is_authority: bool, names: Sequence[str]) -> x509.Certificate:
    hosts = [*map(x509.DNSName, names), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder(_named(issuer), _named(name), key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(hosts), critical=False)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .sign(by, hashes.SHA256())
    )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _written(folder: Path, name: str, what: x509.Certificate | Key) -> Path:
    pem, path = serialization.Encoding.PEM, folder / name
    if isinstance(what, x509.Certificate):
        path.write_bytes(what.public_bytes(pem))
    else:
        pkcs8 = serialization.PrivateFormat.PKCS8
        path.write_bytes(what.private_bytes(pem, pkcs8, serialization.NoEncryption()))
    return path
