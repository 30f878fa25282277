#!/usr/bin/env python3
"""Calls an MCP server that takes OAuth access tokens, with nothing but Python's standard library.

    python3 oauth_login.py http://127.0.0.1:8700/files/mcp

It finds out by itself where to log in (RFC 9728, RFC 8414), registers (RFC 7591), has you log in at a browser (authorization code with PKCE),
lists the server's tools, renews its tokens, and revokes them at the end.
"""

import base64
import hashlib
import http.server
import json
import re
import secrets
import sys
import urllib.error
import urllib.parse
import urllib.request


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """A token goes to the address that was meant, and is not carried on to another one."""

    def redirect_request(self, *_args):
        return None


opener = urllib.request.build_opener(NoRedirect)


def ask(url, data=None, headers=None):
    """Status, headers and body of an answer, whatever its status."""
    request = urllib.request.Request(url, data=data, headers=headers or {})
    try:
        answer = opener.open(request, timeout=30)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        return answer.status, answer.headers, answer.read().decode()


def document(url):
    status, _, body = ask(url, headers={"Accept": "application/json"})
    if status != 200:
        raise SystemExit(f"{url} answers with {status}")
    return json.loads(body)


def form(url, fields):
    status, _, body = ask(url, urllib.parse.urlencode(fields).encode())
    value = json.loads(body) if body else {}
    if status != 200:
        raise SystemExit(f"{url} answers with {status}: {value.get('error')} {value.get('error_description', '')}")
    return value


def call(url, method, token):
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {}}
    headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    return ask(url, json.dumps(message).encode(), headers)


def discover(url):
    """What the 401 says: where the resource describes itself, and which scopes to ask for first."""
    status, headers, _ = call(url, "tools/list", None)
    if status != 401:
        raise SystemExit(f"{url} asks for no token ({status})")
    parameters = dict(re.findall(r'(\w+)="([^"]*)"', headers.get("WWW-Authenticate", "")))
    resource = document(parameters["resource_metadata"])
    if url != resource["resource"] and not url.startswith(resource["resource"].rstrip("/") + "/"):
        raise SystemExit(f"{url} says that it is {resource['resource']}")
    issuer = resource["authorization_servers"][0]
    server = document(issuer.rstrip("/") + "/.well-known/oauth-authorization-server")
    # RFC 8414 §3.3: otherwise one server could pass itself off as another.
    if server["issuer"] != issuer:
        raise SystemExit(f"{issuer} says that it is {server['issuer']}")
    return resource["resource"], server, parameters.get("scope", "")


class Callback(http.server.BaseHTTPRequestHandler):
    """Waits for the browser to come back."""

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        if url.path == "/callback":
            self.server.answer = dict(urllib.parse.parse_qsl(url.query))
        self.send_response(200 if url.path == "/callback" else 404)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.end_headers()
        self.wfile.write(b"You can close this page.\n")

    def log_message(self, *_args):
        pass


def log_in(server, client, redirect_uri, waiting, resource, scope):
    verifier = secrets.token_urlsafe(32)
    state = secrets.token_urlsafe(16)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    question = {
        "response_type": "code",
        "client_id": client,
        "redirect_uri": redirect_uri,
        "state": state,
        "scope": scope,
        "resource": resource,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    print("Open this address in your browser:", flush=True)
    print(f"{server['authorization_endpoint']}?{urllib.parse.urlencode(question)}", flush=True)
    while waiting.answer is None:
        waiting.handle_request()
    answer = waiting.answer
    # The answer to our question (state), of the server that we asked (RFC 9207).
    if answer.get("state") != state or answer.get("iss") != server["issuer"]:
        raise SystemExit("an answer came that is not to our question")
    if "code" not in answer:
        raise SystemExit(f"refused: {answer.get('error')}")
    fields = {"grant_type": "authorization_code", "code": answer["code"], "redirect_uri": redirect_uri}
    return form(server["token_endpoint"], {**fields, "client_id": client, "code_verifier": verifier, "resource": resource})


def main(url):
    resource, server, scope = discover(url)
    waiting = http.server.HTTPServer(("127.0.0.1", 0), Callback)
    waiting.answer = None
    redirect_uri = f"http://127.0.0.1:{waiting.server_port}/callback"
    about = {"client_name": "A Python script", "redirect_uris": [redirect_uri], "application_type": "native"}
    about |= {"grant_types": ["authorization_code", "refresh_token"], "token_endpoint_auth_method": "none"}
    status, _, body = ask(server["registration_endpoint"], json.dumps(about).encode(), {"Content-Type": "application/json"})
    if status != 201:
        raise SystemExit(f"the registration was refused ({status}): {body}")
    client = json.loads(body)["client_id"]

    tokens = log_in(server, client, redirect_uri, waiting, resource, scope)
    status, _, body = call(url, "tools/list", tokens["access_token"])
    print(f"tools/list: {status}", flush=True)
    print(body, flush=True)

    renewal = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"], "client_id": client}
    tokens = form(server["token_endpoint"], renewal)
    print(f"renewed: {call(url, 'tools/list', tokens['access_token'])[0]}", flush=True)

    ask(server["revocation_endpoint"], urllib.parse.urlencode({"token": tokens["refresh_token"], "client_id": client}).encode())
    status, _, _ = ask(server["token_endpoint"], urllib.parse.urlencode({**renewal, "refresh_token": tokens["refresh_token"]}).encode())
    print(f"revoked: {status}", flush=True)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    main(sys.argv[1])
