#!/usr/bin/env python3
"""Sign a request with a service's key and send it; Python's standard library only.

    SERVICE_ID=main-backend SERVICE_KEY_FILE=/etc/keys/main-backend.env \\
        python3 countersign_sign.py GET http://127.0.0.1:8700/embeddings/health

The signed string is <service id>:<METHOD>:<path>:<Unix seconds>: the path as it goes on the request line, without the
query. The key is used as it is written; 64 hex characters are not decoded.
"""

import hashlib
import hmac
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request


def sign(service_id, key, method, url, timestamp=None):
    """Return the three headers that prove `service_id` for one request."""
    timestamp = str(int(time.time() if timestamp is None else timestamp))
    path = urllib.parse.urlsplit(url).path or "/"
    message = f"{service_id}:{method}:{path}:{timestamp}"
    signature = hmac.new(key.encode(), message.encode(), hashlib.sha256).hexdigest()
    return {
        "X-Service-ID": service_id,
        "X-Service-Signature": signature,
        "X-Service-Timestamp": timestamp,
    }


def send(service_id, key, method, url, data=None, headers=None, timeout=30):
    """Sign and send one request; return (status, body). A refusal is an answer too, so it does not raise."""
    signed = sign(service_id, key, method, url)
    request = urllib.request.Request(url, data=data, method=method, headers={**(headers or {}), **signed})
    try:
        with urllib.request.urlopen(request, timeout=timeout) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read()


def service_key():
    """The key from SERVICE_KEY_FILE (the key alone, or a line SERVICE_KEY=...), else from SERVICE_KEY."""
    file = os.environ.get("SERVICE_KEY_FILE")
    if not file:
        return os.environ.get("SERVICE_KEY") or sys.exit("set SERVICE_KEY_FILE to the file of your key, or SERVICE_KEY")
    try:
        with open(file, encoding="utf-8") as lines:
            text = lines.read()
    except (OSError, UnicodeDecodeError) as error:
        sys.exit(f"the file that SERVICE_KEY_FILE names cannot be read: {error}")
    for line in text.splitlines():
        if line.startswith("SERVICE_KEY="):
            return line.removeprefix("SERVICE_KEY=").strip().strip("\"'")
    return text.rstrip("\r\n")


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: countersign_sign.py METHOD URL   (the body, if any, on standard input)")
    method, url = sys.argv[1].upper(), sys.argv[2]
    data = None if sys.stdin.isatty() else sys.stdin.buffer.read() or None
    service_id = os.environ.get("SERVICE_ID") or sys.exit("set SERVICE_ID to the service that you sign as")
    key = service_key()
    try:
        status, body = send(service_id, key, method, url, data)
    except (OSError, ValueError) as error:
        sys.exit(f"{method} {url}: {error}")
    print(f"HTTP {status}", file=sys.stderr)
    sys.stdout.buffer.write(body)
    sys.exit(0 if status < 400 else 1)


if __name__ == "__main__":
    main()
