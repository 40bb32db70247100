"""Where the bucket is and who may use it: URLs with any secret, files of keys, authorities, proxies."""

import json
import os
import secrets
import ssl
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from s3_server import ACCESS_KEY, SECRET_KEY, SeaweedFS
from support.between.lying_s3 import Asked, LyingS3, PassOn, Said, refusal, said
from support.certificates import make_certificate
from xpstore_server.settings import load
from xpstore_server.store.blobs.minio import MinioBlobs
from xpstore_server.store.blobs.opened import open_blobs
from xpstore_server.store.blobs.s3.place import read_place
from xpstore_server.store.errors import InvalidStoreURL, StoreRefused, StoreUnavailable

ODD = "/#?@%+:&=[]\\'\" ;,!$*()~^|<>{}`é" + "ab%2Fcd"


def test_secret_with_any_character_works_when_it_is_percent_encoded() -> None:
    place = read_place(f"s3://{quote('a+b/c', safe='')}:{quote(ODD, safe='')}@[::1]:9000/bucket?region=eu-1")
    assert (place.keys().access_key, place.keys().secret_key) == ("a+b/c", ODD)
    assert (place.host, place.bucket, place.region, place.is_secure) == ("[::1]:9000", "bucket", "eu-1", True)
    assert ODD not in repr(place) and ODD not in repr(place.keys())


@pytest.mark.parametrize("secret", ["ab+cd", "ab:cd", "a:b=c!$&'()*,;~"])
def test_secret_that_can_be_told_from_the_rest_need_not_be_encoded(secret: str) -> None:
    assert read_place(f"s3://key:{secret}@host/bucket").keys().secret_key == secret


@pytest.mark.parametrize("bad", ["/", "#", "?", "@", "%", "%zz", "[", "]", "/@/", "#?"])
def test_secret_that_ends_somewhere_in_the_middle_is_refused_with_the_cure(bad: str) -> None:
    for url in (f"s3://key:hunter2{bad}swordfish@host:9000/bucket", f"s3://ke{bad}y:hunter2-swordfish@host/bucket"):
        with pytest.raises(InvalidStoreURL, match="XPSTORE_BLOB_URL: in KEY and SECRET write / as %2F") as caught:
            open_blobs(url, 1)
        assert "hunter2" not in str(caught.value) and "swordfish" not in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "s3://host/bucket",
        "s3://key@host/bucket",
        "s3://:secret@host/bucket",
        "s3://key:hunter2@/bucket",
        "s3://key:hunter2@host",
        "s3://key:hunter2@host/",
        "s3://key:hunter2@host/a/b",
        "s3://key:hunter2@host/..",
        "s3://key:hunter2@host:99999/bucket",
        "s3://key:hunter2@host:0/bucket",
        "s3://key:hunter2@ho st/bucket",
        "s3://key:hunter2@host\n/bucket",
        "s3://key:hunter2@host/bucket?secure=maybe",
        "s3://key:hunter2@host/bucket?region=",
        "s3://key:hunter2@host/bucket?colour=red",
        "s3://key:hunter2@host/bucket#part",
        "s3:key:hunter2@host/bucket",
    ],
)
def test_malformed_url_is_refused_in_one_line_without_the_secret(url: str) -> None:
    with pytest.raises(InvalidStoreURL, match="XPSTORE_BLOB_URL") as caught:
        open_blobs(url, 1)
    assert "hunter2" not in str(caught.value)
    assert "\n" not in str(caught.value)


def key_file(path: Path, secret: str = SECRET_KEY, token: str = "") -> Path:
    lines = ["[default]", f"aws_access_key_id = {ACCESS_KEY}", f"aws_secret_access_key = {secret}"]
    partial = path.with_suffix(".new")
    partial.write_text("\n".join([*lines, *([f"aws_session_token = {token}"] if token else [])]))
    return partial.rename(path)


@pytest.fixture
def bucket(seaweedfs: SeaweedFS, lying: LyingS3) -> Iterator[str]:
    name = f"places-{secrets.token_hex(6)}"
    seaweedfs.create_bucket(name)
    yield name
    lying.rules.clear()
    lying.asked.clear()


def check_works(blobs: MinioBlobs) -> None:
    blobs.put("packs/x", [b"some bytes"])
    assert blobs.get("packs/x", 5, 5) == b"bytes"
    blobs.check(5)


def test_keys_come_from_a_file_and_change_with_it(lying: LyingS3, bucket: str, tmp_path: Path) -> None:
    file, tokens = key_file(tmp_path / "keys", token="first%token"), list[str | None]()

    def look(asked: Asked, pass_on: PassOn) -> Said:
        tokens.append(asked.headers.get("x-amz-security-token"))
        assert "x-amz-security-token" in asked.headers["Authorization"]  # it is signed
        if tokens[-1] not in ("first%token", "second"):
            return refusal(400, "ExpiredToken")(asked, pass_on)
        root = "VersioningConfiguration" if "versioning" in asked.query else "ListBucketResult"
        return said(200, f"<{root}/>".encode(), "application/xml")(asked, pass_on)

    lying.rules.append(look)  # SeaweedFS gives no tokens
    blobs = MinioBlobs.from_url(lying.blob_url(bucket, keys=""), 2, credentials_file=file)
    assert set(tokens) == {"first%token"}
    key_file(file, token="second")
    blobs.check(5)
    assert tokens[-1] == "second"
    file.write_text("half a li")
    blobs.check(5)  # with the last ones that were whole
    key_file(file, token="over")
    with pytest.raises(StoreRefused, match=r"ExpiredToken.*XPSTORE_BLOB_CREDENTIALS_FILE"):
        blobs.check(5)
    blobs.close()


def test_keys_from_a_file_alone_work(seaweedfs: SeaweedFS, bucket: str, tmp_path: Path) -> None:
    file = key_file(tmp_path / "keys")
    url = f"s3://127.0.0.1:{seaweedfs.port}/{bucket}?secure=false"
    settings = load(blob_url=url, blob_credentials_file=str(file))
    blobs = open_blobs(settings.blob_url, 2, credentials_file=settings.blob_credentials_file)
    blobs.put("packs/x", [b"bytes"])
    blobs.close()
    with pytest.raises(InvalidStoreURL, match="XPSTORE_BLOB_CREDENTIALS_FILE: take"):
        open_blobs(seaweedfs.blob_url(bucket), 2, credentials_file=file)


@pytest.mark.parametrize("text", ["", "[default]", "[default]\naws_access_key_id = hunter2", "hunter2", "[a]\nb\n"])
def test_file_without_keys_is_refused_in_one_line(text: str, tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(text)
    for path in (tmp_path / "keys", tmp_path / "none"):
        with pytest.raises(InvalidStoreURL, match=f"XPSTORE_BLOB_CREDENTIALS_FILE={path}.*aws_access_key_id") as caught:
            open_blobs("s3://host/bucket", 1, credentials_file=path)
        assert "hunter2" not in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def tls_s3(seaweedfs: SeaweedFS, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LyingS3, Path]]:
    """TLS before SeaweedFS, for 127.0.0.1 and s3.test, by a certificate that its own file vouches for."""
    chain, key = make_certificate(tmp_path_factory.mktemp("tls"), "s3.test")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    with LyingS3(f"127.0.0.1:{seaweedfs.port}", tls=context) as lying:
        yield lying, chain


def test_own_authority_is_believed_and_others_are_not(
    tls_s3: tuple[LyingS3, Path], bucket: str, tmp_path: Path
) -> None:
    s3, chain = tls_s3
    url = s3.blob_url(bucket, options="secure=true")
    check_works(MinioBlobs.from_url(url, 2, ca_file=chain))
    with pytest.raises(StoreRefused, match=r"not believed.*XPSTORE_BLOB_CA_FILE"):
        MinioBlobs.from_url(url, 2)
    with pytest.raises(InvalidStoreURL, match=r"XPSTORE_BLOB_CA_FILE.*secure=false"):
        MinioBlobs.from_url(s3.blob_url(bucket), 2, ca_file=chain)
    (tmp_path / "ca").write_text("no certificate")
    for path in (tmp_path / "ca", tmp_path / "none"):
        with pytest.raises(InvalidStoreURL, match=f"XPSTORE_BLOB_CA_FILE={path}"):
            MinioBlobs.from_url(url, 2, ca_file=path)


def test_tls_where_there_is_none_is_told(seaweedfs: SeaweedFS, bucket: str) -> None:
    url = seaweedfs.blob_url(bucket).replace("secure=false", "secure=true")
    with pytest.raises(StoreUnavailable, match=r"XPSTORE_BLOB_URL.*secure=false"):
        MinioBlobs.from_url(url, 2)


def test_usual_variables_name_a_proxy(
    lying: LyingS3, tls_s3: tuple[LyingS3, Path], bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _clear(monkeypatch)
    monkeypatch.setenv("http_proxy", f"http://user:pass%40word@{lying.address}")
    blobs = MinioBlobs.from_url(f"s3://{ACCESS_KEY}:{SECRET_KEY}@s3.test:8333/{bucket}?secure=false", 2)
    assert any("HTTP_PROXY" in line for line in blobs.describe())
    assert not any("pass" in line for line in blobs.describe())
    check_works(blobs)
    assert {asked.headers["Host"] for asked in lying.asked} == {"s3.test:8333"}
    blobs.close()
    s3, chain = tls_s3
    with LyingS3(s3.address) as proxy:  # passes TLS on unseen
        monkeypatch.setenv("https_proxy", proxy.address)
        blobs = MinioBlobs.from_url(f"s3://{ACCESS_KEY}:{SECRET_KEY}@s3.test/{bucket}", 2, ca_file=chain)
        check_works(blobs)
        blobs.close()
        assert proxy.tunnels and not proxy.asked


def test_this_machine_and_what_no_proxy_names_are_reached_straight(
    seaweedfs: SeaweedFS, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _clear(monkeypatch)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    check_works(MinioBlobs.from_url(seaweedfs.blob_url(bucket), 2))
    monkeypatch.setenv("no_proxy", "s3.test")
    assert read_place("s3://k:s@s3.test:1/bucket?secure=false").proxy() is None
    assert read_place("s3://k:s@s4.test:1/bucket?secure=false").proxy() is not None
    with pytest.raises(StoreUnavailable, match="does not answer through HTTP_PROXY"):
        MinioBlobs.from_url("s3://k:s@s4.test:1/bucket?secure=false", 1)
    monkeypatch.setenv("http_proxy", "socks5://127.0.0.1:1")
    with pytest.raises(InvalidStoreURL, match="HTTP_PROXY: only proxies"):
        MinioBlobs.from_url("s3://k:s@s4.test:1/bucket?secure=false", 1)


def _clear(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


class OddSeaweedFS(SeaweedFS):
    """One whose key has a secret of all that a URL gives a meaning to."""

    def __init__(self) -> None:
        super().__init__()
        config = json.loads((self.folder / "s3.json").read_text())
        (identity,) = config["identities"]
        identity["credentials"].append({"accessKey": "odd", "secretKey": ODD})
        (self.folder / "s3.json").write_text(json.dumps(config))


def test_secret_with_any_character_signs_right_at_a_real_server() -> None:
    with OddSeaweedFS() as s3:
        url = f"s3://odd:{quote(ODD, safe='')}@127.0.0.1:{s3.port}/odd?secure=false"
        blobs = MinioBlobs.from_url(url, 2)
        blobs.put("packs/a", [b"bytes"])
        assert blobs.get("packs/a", 0, 5) == b"bytes"
        blobs.close()
