"""A certificate authority for the length of one test, and what it and others have issued."""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


class Certificates:
    """A folder with `server.pem` and `server.key` for 127.0.0.1; the clients `client.pem` and `other.pem` of the
    authority, `self.pem` that nobody has issued, and `stranger.pem` of an authority of the same name, each with
    its key; and `ca.pem`, which trusts the first three of these. `root.pem` has the authority alone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        authority, stranger = self._authority(), self._authority()
        self._write("server.pem", "server.key", *self._issue("127.0.0.1", authority))
        for name, issuer in (("client", authority), ("other", authority), ("self", None), ("stranger", stranger)):
            certificate, key = self._issue(f"{name}.invalid", issuer)
            self._write(f"{name}.pem", f"{name}.pem", certificate, key)
        root = authority[0].public_bytes(serialization.Encoding.PEM)
        (folder / "root.pem").write_bytes(root)
        lone = x509.load_pem_x509_certificate((folder / "self.pem").read_bytes())
        (folder / "ca.pem").write_bytes(root + lone.public_bytes(serialization.Encoding.PEM))

    def file(self, name: str) -> str:
        """The path of one of them."""
        return str(self.folder / name)

    def certificate(self, name: str) -> x509.Certificate:
        """One of them."""
        return x509.load_pem_x509_certificate((self.folder / name).read_bytes())

    def _write(
        self, place: str, key_place: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey
    ) -> None:
        pem = certificate.public_bytes(serialization.Encoding.PEM)
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        if place == key_place:
            pem += private
        else:
            (self.folder / key_place).write_bytes(private)
        (self.folder / place).write_bytes(pem)

    @staticmethod
    def _builder(subject: str, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(_name(subject))
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
        )

    def _authority(self) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        key = ec.generate_private_key(ec.SECP256R1())
        name = "interop authority"
        builder = self._builder(name, _name(name), key)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        return builder.sign(key, hashes.SHA256()), key

    def _issue(
        self, name: str, issuer: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None
    ) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        key = ec.generate_private_key(ec.SECP256R1())
        signer = issuer[1] if issuer else key
        builder = self._builder(name, issuer[0].subject if issuer else _name(name), key)
        server = name == "127.0.0.1"
        alternative = x509.IPAddress(ipaddress.ip_address(name)) if server else x509.DNSName(name)
        purpose = ExtendedKeyUsageOID.SERVER_AUTH if server else ExtendedKeyUsageOID.CLIENT_AUTH
        builder = builder.add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        return builder.sign(signer, hashes.SHA256()), key
