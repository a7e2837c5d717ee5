"""A Snowflake that really executes: fakesnow, over TLS as its clients want it, with files of the object store.

It has libraries of its own beside the platform's (requirements-snowflake.lock): it needs an older sqlglot.
"""

import datetime
import importlib
import ipaddress
import json
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

LIBRARIES = Path(sys.prefix) / "snowflake"
AUTHORITY, BUNDLE, CERTIFICATE = "authority.pem", "bundle.pem", "server.pem"
INTERNAL_ERROR = "000603"
Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Callable[[], Awaitable[Message]], Send], Awaitable[None]]


def certify(folder: Path, *names: str) -> Path:
    """Make an authority and a server's certificate, once; return the bundle that clients trust, public ones in it."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / BUNDLE).exists():
        import certifi

        authority, server = _certificates(names)
        (folder / CERTIFICATE).touch(mode=0o600)
        (folder / CERTIFICATE).write_bytes(server)
        (folder / BUNDLE).write_bytes(Path(certifi.where()).read_bytes() + authority)
    return folder / BUNDLE


def _certificates(names: tuple[str, ...]) -> tuple[bytes, bytes]:
    """Return an authority, and a certificate of these names with its key, as PEM."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    issuer_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    issuer = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Watershed's stand-ins")])
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, names[0])])

    def signed(of: x509.Name, public: ec.EllipticCurvePublicKey, extension: x509.ExtensionType) -> x509.Certificate:
        now = datetime.datetime.fromtimestamp(Path(__file__).stat().st_mtime, datetime.UTC)
        builder = x509.CertificateBuilder(issuer, of, public, x509.random_serial_number())
        builder = builder.not_valid_before(min(now, datetime.datetime(2025, 1, 1, tzinfo=datetime.UTC)))
        builder = builder.not_valid_after(datetime.datetime(2045, 1, 1, tzinfo=datetime.UTC))
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


def failing_at_once(app: App) -> App:
    """Give what fakesnow did not foresee as Snowflake's internal error: clients repeat HTTP 500 for minutes."""

    async def wrapped(scope: Message, receive: Callable[[], Awaitable[Message]], send: Send) -> None:
        failed: list[bool] = []

        async def translated(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] >= 500:
                failed.append(True)
                return
            if failed and message["type"] == "http.response.body":
                await _refuse(send, message.get("body", b""))
                return
            await send(message)

        await app(scope, receive, translated)

    return wrapped


async def _refuse(send: Send, body: bytes) -> None:
    try:
        text = json.loads(body)["message"]
    except (ValueError, KeyError, TypeError):
        text = "internal error"
    answer = {"data": {"errorCode": INTERNAL_ERROR, "sqlState": "XX000"}, "code": INTERNAL_ERROR}
    content = json.dumps({**answer, "message": text, "success": False}).encode()
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": content})


def _keep_nulls(arrow: Any) -> None:
    """Mend fakesnow 0.12.1, which gives a missing moment out as 1970."""
    import pyarrow as pa
    import pyarrow.compute as pc

    given = arrow.timestamp_to_sf_struct

    def mended(moments: Any) -> Any:
        whole = moments.combine_chunks() if isinstance(moments, pa.ChunkedArray) else moments
        values = given(pc.fill_null(whole, 0))
        return pa.StructArray.from_arrays(values.flatten(), fields=list(values.type), mask=pc.is_null(whole))

    arrow.timestamp_to_sf_struct = mended


def serve(folder: Path, host: str, port: int) -> None:
    """Serve until told to end; databases are files of the folder."""
    sys.path.insert(0, str(LIBRARIES))
    try:
        server: Any = importlib.import_module("fakesnow.server")
    except ImportError as error:
        sys.exit(f"{error}: the Snowflake stand-in's libraries are not in {LIBRARIES}. Run `make snowflake`.")
    import uvicorn

    from devstack.standins.objects import ObjectStore

    certify(folder, "localhost", host)
    data = folder / "databases"
    data.mkdir(exist_ok=True)
    _keep_nulls(importlib.import_module("fakesnow.arrow"))
    server.shared_fs = server.FakeSnow(db_path=data)
    server.shared_fs.duck_conn.register_filesystem(ObjectStore())
    app, certificate = failing_at_once(server.app), folder / CERTIFICATE
    uvicorn.run(app, host=host, port=port, ssl_certfile=certificate, log_level="warning")


if __name__ == "__main__":
    serve(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
