import builtins
import os
import ssl
import stat
from datetime import UTC, datetime

import pytest

from wyh.errors import WyhError
from wyh.media.web import tls

x509 = pytest.importorskip("cryptography.x509", reason="cryptography is absent: wyh[web]")


def without(monkeypatch, package):
    real = builtins.__import__

    def imported(name, *rest, **more):
        if name.partition(".")[0] == package:
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", imported)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "[::1]", "127.0.0.5"])
def test_loopback(host):
    assert tls.is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "example.org"])
def test_not_loopback(host):
    assert not tls.is_loopback(host)


def test_addresses_of_a_host():
    assert tls.own_addresses("192.168.1.5") == ["192.168.1.5"]
    assert tls.own_addresses("studio.local") == ["studio.local"]
    found = tls.own_addresses("0.0.0.0")
    assert found and "0.0.0.0" not in found


def test_a_certificate_is_made_once_for_the_same_addresses(tmp_path):
    folder = tmp_path / "tls"
    assert isinstance(tls.secure_context(folder, ["192.168.1.5", "studio.local"]), ssl.SSLContext)
    first = (folder / "certificate.pem").read_bytes()
    tls.secure_context(folder, ["192.168.1.5"])
    assert (folder / "certificate.pem").read_bytes() == first
    tls.secure_context(folder, ["10.0.0.7"])
    second = (folder / "certificate.pem").read_bytes()
    assert second != first
    certificate = x509.load_pem_x509_certificate(second)
    days = (certificate.not_valid_after_utc - datetime.now(UTC)).days
    assert 300 < days < 398
    assert stat.S_IMODE(os.stat(folder / "key.pem").st_mode) == 0o600
    assert sorted(os.listdir(folder)) == ["certificate.pem", "key.pem"]


def test_a_damaged_certificate_is_made_again(tmp_path):
    tls.secure_context(tmp_path, ["10.0.0.7"])
    (tmp_path / "certificate.pem").write_text("none")
    assert tls.secure_context(tmp_path, ["10.0.0.7"])
    (tmp_path / "key.pem").write_text("none")
    assert tls.secure_context(tmp_path, ["10.0.0.7"])


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "tls").write_text("a file")
    with pytest.raises(WyhError, match="cannot keep a certificate"):
        tls.secure_context(tmp_path / "tls", ["10.0.0.7"])


def test_absent_packages_are_named(tmp_path, monkeypatch):
    without(monkeypatch, "cryptography")
    with pytest.raises(WyhError, match=r"needs cryptography: pip install 'wyh\[web\]'"):
        tls.secure_context(tmp_path, ["10.0.0.7"])
    without(monkeypatch, "segno")
    with pytest.raises(WyhError, match=r"needs segno: pip install 'wyh\[web\]'"):
        tls.qr_code("https://10.0.0.7:8765/")


def test_a_qr_code_of_characters():
    pytest.importorskip("segno", reason="segno is absent: wyh[web]")
    lines = tls.qr_code("https://10.0.0.7:8765/#token").splitlines()
    assert 12 < len(lines) < 40
    assert set("".join(lines)) <= set("█▀▄ ")
