"""HTTP as bytes, and signatures that may be wrong on purpose.

The signer is written from the documentation of Signature Version 4, so that each of its inputs
can be falsified on its own.
"""

import base64
import datetime
import hashlib
import hmac
import http.client
import os
import urllib.parse
import xml.etree.ElementTree
import zlib

UNSIGNED = "UNSIGNED-PAYLOAD"
SIGNED_CHUNKS = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNED_CHUNKS_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
UNSIGNED_CHUNKS_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()


def crc32(body):
    return base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()


class Reply:
    """An HTTP answer, read whole."""

    def __init__(self, response):
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()

    def element(self, name):
        """The text of the first XML element with this name, whatever its namespace."""
        root = xml.etree.ElementTree.fromstring(self.body)
        for node in root.iter():
            if node.tag.rpartition("}")[2] == name:
                return node.text
        return None

    @property
    def code(self):
        return self.element("Code")

    def expect(self, status, code=None):
        """Asserts the status, and for an error its code, its ids and its headers."""
        codes = (code,) if isinstance(code, str) else code
        text = f"{self.status} {self.headers} {self.body[:600]!r}"
        assert self.status == status, f"{status} {code} expected, got {text}"
        assert self.headers.get("x-amz-request-id"), f"no request id: {text}"
        if codes is not None:
            assert self.headers.get("content-type") == "application/xml", text
            assert self.code in codes, f"{status} {code} expected, got {text}"
            assert self.element("RequestId") == self.headers["x-amz-request-id"], text
            assert self.element("Message"), text
        return self


class Signer:
    """Everything a signature is made of; each part can be replaced."""

    def __init__(self, access_key=None, secret_key=None, region=None, at=None, service="s3"):
        self.access_key = access_key or os.environ["AWS_ACCESS_KEY_ID"]
        self.secret_key = secret_key or os.environ["AWS_SECRET_ACCESS_KEY"]
        self.region = region or os.environ["AWS_REGION"]
        self.service = service
        at = at or datetime.datetime.now(datetime.timezone.utc)
        self.time = at.strftime("%Y%m%dT%H%M%SZ")
        self.scope = f"{self.time[:8]}/{self.region}/{service}/aws4_request"

    def key(self):
        key = ("AWS4" + self.secret_key).encode()
        for part in (self.time[:8], self.region, self.service, "aws4_request"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        return key

    def sign(self, text):
        return hmac.new(self.key(), text.encode(), hashlib.sha256).hexdigest()

    def request(self, method, path, query, headers, payload):
        """The signature of a request; `path` and `query` as they are sent."""
        pairs = sorted(part.partition("=")[::2] for part in query.split("&") if part)
        names = sorted(name.lower() for name in headers)
        values = {name.lower(): str(value).strip() for name, value in headers.items()}
        canonical = "\n".join(
            [
                method,
                path,
                "&".join(f"{name}={value}" for name, value in pairs),
                *(f"{name}:{values[name]}" for name in names),
                "",
                ";".join(names),
                payload,
            ]
        )
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        return self.sign(f"AWS4-HMAC-SHA256\n{self.time}\n{self.scope}\n{digest}")

    def authorization(self, names, signature):
        return (
            f"AWS4-HMAC-SHA256 Credential={self.access_key}/{self.scope},"
            f"SignedHeaders={';'.join(sorted(names))},Signature={signature}"
        )

    def chunks(self, seed, chunks, trailer=None):
        """The chunks as a signed aws-chunked body, after a request with signature `seed`."""
        body, previous = b"", seed
        for chunk in [*chunks, b""]:
            digest = hashlib.sha256(chunk).hexdigest()
            previous = self.sign(
                f"AWS4-HMAC-SHA256-PAYLOAD\n{self.time}\n{self.scope}\n"
                f"{previous}\n{EMPTY_SHA256}\n{digest}"
            )
            body += f"{len(chunk):x};chunk-signature={previous}\r\n".encode()
            body += chunk + (b"\r\n" if chunk else b"")
        if trailer:
            name, value = trailer
            digest = hashlib.sha256(f"{name}:{value}\n".encode()).hexdigest()
            signature = self.sign(
                f"AWS4-HMAC-SHA256-TRAILER\n{self.time}\n{self.scope}\n{previous}\n{digest}"
            )
            body += f"{name}:{value}\r\nx-amz-trailer-signature:{signature}\r\n".encode()
        return body + b"\r\n"


def unsigned_chunks(chunks, trailer=None):
    """The chunks as an aws-chunked body without signatures."""
    body = b"".join(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n" for chunk in chunks)
    body += b"0\r\n"
    if trailer:
        body += f"{trailer[0]}:{trailer[1]}\r\n".encode()
    return body + b"\r\n"


class Raw:
    """Requests to one gateway, one connection each."""

    def __init__(self, url):
        self.host = urllib.parse.urlsplit(url).netloc

    def send(self, method, target, headers, body=b"", host=None, length=None):
        """Sends a request as it is given; `length` overrides the length of the body."""
        connection = http.client.HTTPConnection(self.host, timeout=60)
        try:
            connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
            connection.putheader("Host", host or self.host)
            for name, value in headers.items():
                connection.putheader(name, value)
            if length is not False:
                connection.putheader("Content-Length", len(body) if length is None else length)
            connection.endheaders()
            try:
                connection.send(body)
            except (BrokenPipeError, ConnectionResetError):
                pass  # Refused before the whole body was sent; the answer tells why.
            if length not in (None, False) and length > len(body):
                connection.sock.shutdown(1)
            return Reply(connection.getresponse())
        finally:
            connection.close()

    def signed(
        self,
        method,
        path,
        query="",
        headers=None,
        body=b"",
        payload=None,
        signer=None,
        host=None,
        length=None,
        framed=None,
    ):
        """Sends a signed request.

        `payload` is what x-amz-content-sha256 says (by default the truth), `framed` turns the
        request's signature into the body that is sent.
        """
        signer = signer or Signer()
        payload = payload or hashlib.sha256(body).hexdigest()
        headers = dict(headers or {})
        headers["x-amz-date"] = signer.time
        headers["x-amz-content-sha256"] = payload
        signed = {**headers, "host": host or self.host}
        signature = signer.request(method, path, query, signed, payload)
        headers["Authorization"] = signer.authorization([n.lower() for n in signed], signature)
        if framed:
            body = framed(signature)
        target = f"{path}?{query}" if query else path
        return self.send(method, target, headers, body, host, length)

    def presigned(self, method, path, expires_s=60, signer=None, extra=""):
        """The target of a presigned request."""
        signer = signer or Signer()
        fields = {
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Credential": f"{signer.access_key}/{signer.scope}",
            "X-Amz-Date": signer.time,
            "X-Amz-Expires": str(expires_s),
            "X-Amz-SignedHeaders": "host",
        }
        query = urllib.parse.urlencode(fields, quote_via=urllib.parse.quote, safe="~")
        query += extra
        signature = signer.request(method, path, query, {"host": self.host}, UNSIGNED)
        return f"{path}?{query}&X-Amz-Signature={signature}"
