#!/usr/bin/env python3
"""Call a tool of an MCP server with a key; Python's standard library only.

    KEY_FILE=agent.key python3 call.py http://127.0.0.1:8096/mcp add_note '{"text": "hello"}'

JSON-RPC over HTTP, without a session: one POST, answered with JSON or with one server-sent event.
"""

import json
import os
import sys
import urllib.error
import urllib.request


def call(url, key, tool, arguments):
    """Return (HTTP status, the JSON-RPC answer or the refusal)."""
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}
    headers = {
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": "2025-11-25",
    }
    if key:
        headers["Authorization"] = f"Bearer {key}"
    request = urllib.request.Request(url, data=json.dumps(message).encode(), headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, answer(response)
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, json.load(refusal)


def answer(response):
    """The JSON-RPC answer, also where it comes as an event."""
    text = response.read().decode()
    if response.headers.get_content_type() != "text/event-stream":
        return json.loads(text)
    lines = [line[len("data:"):].strip() for line in text.splitlines() if line.startswith("data:")]
    return json.loads(next(line for line in lines if line))


def main(url="http://127.0.0.1:8096/mcp", tool="list_notes", arguments="{}"):
    key = ""
    if os.environ.get("KEY_FILE"):
        try:
            with open(os.environ["KEY_FILE"], encoding="utf-8") as file:
                key = file.read().strip()
        except (OSError, UnicodeDecodeError) as error:
            sys.exit(f"the file that KEY_FILE names cannot be read: {error}")
    try:
        status, said = call(url, key, tool, json.loads(arguments))
    except (OSError, ValueError) as error:
        sys.exit(f"{url}: {error}")
    result = said.get("result", {})
    if not result:
        print(status, json.dumps(said), file=sys.stderr)
        return 1
    for part in result["content"]:
        print(part["text"])
    return 1 if result.get("isError") else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
