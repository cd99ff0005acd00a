"""Sign-in without a person, against a real authorization server."""

from __future__ import annotations

import base64
import json
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from support.authorization import TTL, AuthorizationServer, ProtectedServer
from support.certificates import Certificates
from support.home import Home
from support.paths import bridge_command
from support.servers import free_port
from support.stdio_client import DEADLINE, StdioClient

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def register(authorization: AuthorizationServer, **more: Any) -> dict[str, Any]:
    """Registers a client that acts for itself, as an administrator would."""
    about = {"grant_types": ["client_credentials"], "response_types": [], "redirect_uris": []}
    request = urllib.request.Request(
        f"{authorization.issuer}/reg", json.dumps(about | more).encode(), {"Content-Type": "application/json"}
    )
    with _DIRECT.open(request, timeout=DEADLINE) as answer:
        return json.load(answer)


def number(value: int) -> str:
    """A number as a JWK has it."""
    return base64.urlsafe_b64encode(value.to_bytes((value.bit_length() + 7) // 8)).rstrip(b"=").decode()


def key(algorithm: str) -> tuple[str, dict[str, str]]:
    """A new key in PEM, and its public half as a JWK."""
    if algorithm == "ES256":
        private = ec.generate_private_key(ec.SECP256R1())
        point = private.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )
        x, y = (base64.urlsafe_b64encode(half).rstrip(b"=").decode() for half in (point[1:33], point[33:]))
        jwk = {"kty": "EC", "crv": "P-256", "x": x, "y": y}
    elif algorithm == "EdDSA":
        private = ed25519.Ed25519PrivateKey.generate()
        x = base64.urlsafe_b64encode(private.public_key().public_bytes_raw()).rstrip(b"=").decode()
        jwk = {"kty": "OKP", "crv": "Ed25519", "x": x}
    else:
        private = rsa.generate_private_key(65537, 2048)
        public = private.public_key().public_numbers()
        jwk = {"kty": "RSA", "n": number(public.n), "e": number(public.e)}
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return pem.decode(), jwk


GRANT = ("--grant", "client-credentials", "--scope", "mcp:tools")


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_a_client_with_a_secret(
    authorization: AuthorizationServer, protected: ProtectedServer, tmp_path: Path, method: str
) -> None:
    known = register(authorization, token_endpoint_auth_method=method)
    home = Home(tmp_path, FAKE_SECRET=known["client_secret"])
    flags = (*GRANT, f"--client-id={known['client_id']}", "--client-secret", "env:FAKE_SECRET")
    if method == "client_secret_basic":
        # The server lists both, and post is preferred of these.
        flags = (*flags, "--token-endpoint", f"{authorization.issuer}/token")
    with home.bridge(protected.url, *flags) as client:
        client.initialize()
        for text in ("one", "two"):
            assert client.tool("echo", {"message": text}) == f"Echo: {text}"
            time.sleep(TTL + 1)
        client.close()
        logged = client.logged()
    requests = authorization.asked("/token", client=known["client_id"])
    assert len(requests) >= 2
    assert {(entry["grant"], entry["status"]) for entry in requests} == {("client_credentials", 200)}
    assert all(entry["resource"] == [protected.url] for entry in requests)
    assert not [secret for secret in authorization.secrets() if secret in logged]
    assert not home.files_with([known["client_secret"]])
    assert not home.opened() and not authorization.asked("/auth", client=known["client_id"])


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "EdDSA"])
def test_a_client_with_a_key(
    authorization: AuthorizationServer, protected: ProtectedServer, tmp_path: Path, algorithm: str
) -> None:
    pem, jwk = key(algorithm)
    known = register(
        authorization,
        token_endpoint_auth_method="private_key_jwt",
        token_endpoint_auth_signing_alg=algorithm,
        jwks={"keys": [jwk]},
    )
    file = tmp_path / "key.pem"
    file.write_text(pem)
    home = Home(tmp_path)
    flags = (*GRANT, f"--client-id={known['client_id']}", "--private-key", f"file:{file}", "--signing-alg", algorithm)
    with home.bridge(protected.url, *flags) as client:
        client.initialize()
        assert client.tool("echo", {"message": "one"}) == "Echo: one"
    (request,) = authorization.asked("/token", client=known["client_id"])
    assert request["status"] == 200


def test_nothing_is_needed_but_the_secret(authorization: AuthorizationServer, protected: ProtectedServer) -> None:
    """No home, no display, no bus: what is obtained is in memory, and obtained anew."""
    known = register(authorization)
    flags = (*GRANT, f"--client-id={known['client_id']}", "--client-secret", "env:FAKE_SECRET")
    environment = {"FAKE_SECRET": known["client_secret"]}
    with StdioClient([*bridge_command(), protected.url, *flags], env=environment) as client:
        client.initialize()
        assert client.tool("echo", {"message": "one"}) == "Echo: one"
        time.sleep(TTL + 1)
        assert client.tool("echo", {"message": "two"}) == "Echo: two"


def test_a_wrong_secret_is_said_to_be_one(
    authorization: AuthorizationServer, protected: ProtectedServer, tmp_path: Path
) -> None:
    known = register(authorization)
    home = Home(tmp_path, FAKE_SECRET="fake-wrong-secret")
    done = home.run(
        "login", protected.url, *GRANT, f"--client-id={known['client_id']}", "--client-secret", "env:FAKE_SECRET"
    )
    assert done.returncode == 3 and "invalid_client" in done.stderr and "--client-id" in done.stderr, done.stderr


@dataclass
class Certified:
    """Servers that know clients by the certificate of the connection (RFC 8705)."""

    certificates: Certificates
    authorization: AuthorizationServer
    protected: ProtectedServer

    def client(self, home: Home, known: dict[str, Any], certificate: str) -> StdioClient:
        """A bridge that is this client, with this certificate."""
        flags = (*GRANT, f"--client-id={known['client_id']}", "--client-cert", self.certificates.file(certificate))
        return home.bridge(self.protected.url, *flags, "--ca-cert", self.certificates.file("root.pem"))

    def register(self, certificate: str) -> dict[str, Any]:
        """Registers the client that a certificate is of."""
        bound = {"tls_client_certificate_bound_access_tokens": True}
        if certificate != "self.pem":
            name = certificate.replace(".pem", ".invalid")
            method = {"token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_san_dns": name}
            return register(self.authorization, **method, **bound)
        shown = self.certificates.certificate(certificate)
        numbers = shown.public_key().public_numbers()
        point = {"x": coordinate(numbers.x), "y": coordinate(numbers.y)}
        der = base64.b64encode(shown.public_bytes(serialization.Encoding.DER)).decode()
        jwk = {"kty": "EC", "crv": "P-256", "x5c": [der], **point}
        method = {"token_endpoint_auth_method": "self_signed_tls_client_auth", "jwks": {"keys": [jwk]}}
        return register(self.authorization, **method, **bound)


def coordinate(value: int) -> str:
    """A coordinate on P-256 as a JWK has it."""
    return base64.urlsafe_b64encode(value.to_bytes(32)).rstrip(b"=").decode()


@pytest.fixture
def certified(tmp_path: Path) -> Iterator[Certified]:
    certificates = Certificates(tmp_path / "certificates")
    folder = str(certificates.folder)
    authorization = AuthorizationServer(TTL, "--mtls", folder, "--secure-port", str(free_port()))
    protected = ProtectedServer(authorization, "--mtls", folder, "--secure-port", str(free_port()))
    yield Certified(certificates, authorization, protected)
    protected.kill()
    authorization.kill()


@pytest.mark.parametrize("certificate", ["client.pem", "self.pem"])
def test_a_client_with_a_certificate(certified: Certified, tmp_path: Path, certificate: str) -> None:
    known = certified.register(certificate)
    with certified.client(Home(tmp_path), known, certificate) as client:
        client.initialize()
        for text in ("one", "two"):
            assert client.tool("echo", {"message": text}) == f"Echo: {text}"
            time.sleep(TTL + 1)
    requests = certified.authorization.asked("/token", client=known["client_id"])
    assert len(requests) >= 2 and {entry["status"] for entry in requests} == {200}


def test_the_wrong_certificate_is_said_to_be_one(certified: Certified, tmp_path: Path) -> None:
    known = certified.register("client.pem")
    home = Home(tmp_path)
    with certified.client(home, known, "client.pem") as client:
        client.initialize()
    # The token of `client` is stored, and good with its certificate only.
    for certificate, said in (("other.pem", "invalid_client"), ("stranger.pem", "client certificate")):
        flags = (*GRANT, f"--client-id={known['client_id']}", "--client-cert", certified.certificates.file(certificate))
        done = home.run("ping", certified.protected.url, *flags, "--ca-cert", certified.certificates.file("root.pem"))
        assert done.returncode in (3, 4), done.stderr
        assert said in done.stderr and "--client-cert" in done.stderr, done.stderr
    done = home.run(
        "ping", certified.protected.url, "--ca-cert", certified.certificates.file("root.pem"), "--auth", "none"
    )
    assert done.returncode == 4 and "use --client-cert" in done.stderr, done.stderr
