#!/usr/bin/env python3
"""Sign a request, its query and its body with a service's key (RFC 9421) and send it; Python's standard library only.

    HTTP_SIGNATURE_KEY_FILE=/etc/keys/aidb.key \\
        python3 http_signature.py POST http://127.0.0.1:8700/embeddings/embed < request.json

The key is what `countersign keys create SERVICE --kind hs` printed, used as it is written. Each signature is good once, for a
minute; when this machine's clock is off, the answer says what time it is and the request is signed and sent once more.
"""

import base64
import email.utils
import hashlib
import hmac
import http.client
import os
import secrets
import sys
import time
import urllib.parse

DEFAULT_PORTS = {"http": 80, "https": 443}
COMPONENTS = ["@method", "@authority", "@path", "@query"]


def authority(url):
    """Host and port as they are signed: lower case, the scheme's own port left out."""
    host = f"[{url.hostname}]" if ":" in url.hostname else url.hostname
    return host if url.port in (None, DEFAULT_PORTS[url.scheme]) else f"{host}:{url.port}"


def sign(key, method, url, body=b"", keyid=None, created=None, nonce=None):
    """Return the headers that prove whose key it is, for this one request. `keyid` is the key's id, or a service's name."""
    parts = urllib.parse.urlsplit(url)
    values = {
        "@method": method,
        "@authority": authority(parts),
        "@path": parts.path or "/",
        "@query": "?" + parts.query,
    }
    headers = {}
    components = list(COMPONENTS)
    if body:
        digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
        headers["Content-Digest"] = values["content-digest"] = f"sha-256=:{digest}:"
        components.append("content-digest")
    created = int(time.time() if created is None else created)
    covered = " ".join(f'"{name}"' for name in components)
    parameters = (
        f"({covered});created={created};nonce=\"{nonce or secrets.token_urlsafe(16)}\""
        f";keyid=\"{keyid or key_id(key)}\";tag=\"countersign\""
    )
    lines = [f'"{name}": {values[name]}' for name in components]
    base = "\n".join([*lines, f'"@signature-params": {parameters}'])
    signature = base64.b64encode(hmac.new(key.encode(), base.encode("ascii"), hashlib.sha256).digest()).decode()
    headers["Signature-Input"] = f"countersign={parameters}"
    headers["Signature"] = f"countersign=:{signature}:"
    return headers


def key_id(key):
    """The public id inside a key of ours, cs_hs_<id>_<secret>."""
    if not key.startswith("cs_hs_"):
        raise ValueError("name the keyid: only keys that begin with cs_hs_ hold one")
    return key.split("_")[2]


def send(key, method, url, body=b"", headers=None, keyid=None, timeout=30):
    """Sign and send one request; return (status, body). A refusal is an answer too, so it does not raise."""
    status, told, content = _send_once(key, method, url, body, headers, keyid, None, timeout)
    if status == 401 and "Accept-Signature" in told and "Date" in told:
        # Our clock is off. The nonce was not taken, so once more with the time of the server does no harm.
        now = email.utils.parsedate_to_datetime(told["Date"]).timestamp()
        status, told, content = _send_once(key, method, url, body, headers, keyid, now, timeout)
    return status, content


def _send_once(key, method, url, body, headers, keyid, created, timeout):
    parts = urllib.parse.urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname, parts.port, timeout=timeout)
    try:
        # Exactly what is signed goes on the request line: http.client rewrites nothing.
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        signed = sign(key, method, url, body, keyid, created)
        connection.request(method, target, body or None, {**(headers or {}), **signed, "Host": authority(parts)})
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()


def signature_key():
    """The key from HTTP_SIGNATURE_KEY_FILE (the key alone, or a line SERVICE_KEY=...), else from HTTP_SIGNATURE_KEY."""
    file = os.environ.get("HTTP_SIGNATURE_KEY_FILE")
    if file:
        try:
            with open(file, encoding="utf-8") as lines:
                text = lines.read()
        except (OSError, UnicodeDecodeError) as error:
            sys.exit(f"the file that HTTP_SIGNATURE_KEY_FILE names cannot be read: {error}")
        for line in text.splitlines():
            if line.startswith("SERVICE_KEY="):
                return line.removeprefix("SERVICE_KEY=").strip().strip("\"'")
        return text.rstrip("\r\n")
    return os.environ.get("HTTP_SIGNATURE_KEY") or sys.exit("set HTTP_SIGNATURE_KEY_FILE to the file of your key")


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: http_signature.py METHOD URL   (the body, if any, on standard input)")
    method, url = sys.argv[1].upper(), sys.argv[2]
    body = b"" if sys.stdin.isatty() else sys.stdin.buffer.read()
    key = signature_key()
    try:
        status, content = send(key, method, url, body, keyid=os.environ.get("HTTP_SIGNATURE_KEYID"))
    except (OSError, ValueError) as error:
        sys.exit(f"{method} {url}: {error}")
    print(f"HTTP {status}", file=sys.stderr)
    sys.stdout.buffer.write(content)
    sys.exit(0 if status < 400 else 1)


if __name__ == "__main__":
    main()
