"""What a page needs on another machine: a certificate made on the spot, a token, a QR code.

Browsers give their camera to pages on this machine or under https alone.
"""

import contextlib
import ipaddress
import os
import socket
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

from wyh.errors import WyhError

_DAYS = 397  # longer ones are refused by some browsers
_LEAST_DAYS = 7  # with fewer left, a new one is made
_ELSEWHERE = "192.0.2.1"  # an address for documentation: nothing is ever sent there


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server at `host`."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def own_addresses(host: str) -> list[str]:
    """The addresses by which others reach a server at `host`, the best first."""
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return [host]
    if not address.is_unspecified:
        return [str(address)]
    found: list[str] = []
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((_ELSEWHERE, 9))  # sends nothing: it only chooses the way out
        found.append(probe.getsockname()[0])
    with contextlib.suppress(OSError):
        own = socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET, socket.SOCK_STREAM)
        found += [str(entry[4][0]) for entry in own]
    outside = [text for text in dict.fromkeys(found) if not is_loopback(text)]
    return outside or ["127.0.0.1"]


def secure_context(folder: Path, names: Sequence[str]) -> ssl.SSLContext:
    """TLS for these addresses, with the certificate of `folder` or a new one that is kept there.

    A phone is asked to trust it once, as long as the addresses stay the same.

    Raises:
      WyhError: no `cryptography`, or the folder cannot be written.
    """
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        if not _is_good(certificate, names):
            _make(key, certificate, names)
        try:
            context.load_cert_chain(certificate, key)
        except ssl.SSLError:  # the two do not belong together, or one is damaged
            _make(key, certificate, names)
            context.load_cert_chain(certificate, key)
    except OSError as error:
        raise WyhError(f"{folder} cannot keep a certificate: {error.strerror}") from None
    return context


def _is_good(path: Path, names: Sequence[str]) -> bool:
    x509 = _x509()
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        held = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, x509.ExtensionNotFound):
        return False
    left = certificate.not_valid_after_utc - datetime.now(UTC)
    known = {str(name.value) for name in held}
    return left > timedelta(days=_LEAST_DAYS) and known >= set(names)


def _make(key_path: Path, certificate_path: Path, names: Sequence[str]) -> None:
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    x509 = _x509()
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "wyh on this network")])
    today = datetime.now(UTC)
    held = x509.SubjectAlternativeName([_general_name(name) for name in names])
    usage = x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.SERVER_AUTH])
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=_DAYS))
        .add_extension(held, critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    key_path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    _replace(key_path, plain)
    _replace(certificate_path, certificate.public_bytes(pem))


def _replace(path: Path, data: bytes) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    part = path.with_name(f"{path.name}.{os.getpid()}")
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
    os.replace(part, path)


def _general_name(name: str) -> Any:
    x509 = _x509()
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _x509() -> Any:
    try:
        from cryptography import x509
    except ImportError:
        raise WyhError(
            "a page on another machine needs cryptography: pip install 'wyh[web]'"
        ) from None
    return x509


def qr_code(address: str) -> str:
    """The address as a QR code of characters, for a terminal.

    Raises:
      WyhError: no `segno`.
    """
    try:
        import segno
    except ImportError:
        raise WyhError("a QR code needs segno: pip install 'wyh[web]'") from None
    drawn = StringIO()
    segno.make(address, error="l", micro=False).terminal(drawn, compact=True, border=2)
    return drawn.getvalue().rstrip("\n")
