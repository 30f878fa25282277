-- Forward auth for HAProxy 2.6 and newer: asks Countersign about a request before it goes anywhere. Needs no other Lua module.
--
--   global
--     setenv COUNTERSIGN_URL http://127.0.0.1:8700
--     lua-load-per-thread /etc/haproxy/countersign.lua
--   backend …
--     http-request lua.countersign NAME /PREFIX      the service in countersign.yaml, and what stands before its own paths
--                                                    (/ for nothing)
--
-- Refused: the client gets our answer as it is. Allowed: the request goes on as the gateway would send it. The four identity
-- headers are ours, whatever the client sent is gone, and where the route enforces its credential is gone, too.

local authority = os.getenv("COUNTERSIGN_URL")
assert(authority and authority:match("^http://"), "countersign.lua needs the address of Countersign: setenv COUNTERSIGN_URL http://127.0.0.1:8700")

local timeout_milliseconds = 10000

local function set(...)
  local names = {}
  for _, name in ipairs({ ... }) do
    names[name] = true
  end
  return names
end

local identity = { "x-auth-request-user", "x-auth-principal", "x-auth-scopes", "x-auth-mode" }

-- What belongs to one connection or to the body: no part of the question.
local hop = set(
  "connection",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "http2-settings",
  "expect",
  "content-length",
  "host"
)

-- Words of proxies besides X-Auth-, X-Forwarded- and X-Original-: from a client they are a lie.
local claims = set(
  "forwarded",
  "x-real-ip",
  "true-client-ip",
  "x-client-ip",
  "x-cluster-client-ip",
  "cf-connecting-ip",
  "fastly-client-ip",
  "x-rewrite-url",
  "x-override-token",
  "x-countersign-dev"
)

-- Gone once the route enforces; in report and off nothing changes for callers yet. The last three name another method than the
-- one that was judged. For a service that judges by itself (passCredential, authorization: upstream), take its lines out.
local spent = {
  "authorization",
  "x-api-key",
  "x-service-id",
  "x-service-signature",
  "x-service-timestamp",
  "signature",
  "signature-input",
  "x-http-method-override",
  "x-http-method",
  "x-method-override",
}

-- By these usual proxies, from Authelia to those of clouds, say who is asking. A service that stood behind one goes on believing
-- them, so that once the route enforces they go no further. Where such a proxy stands before HAProxy, take its line out.
local others = {
  "^x?%-?remote%-user$",
  "^x?%-?remote%-groups?$",
  "^x?%-?remote%-name$",
  "^x?%-?remote%-email$",
  "^x%-remote%-extra%-",
  "^x%-webauth%-",
  "^x%-authentik%-",
  "^x%-consumer%-",
  "^x%-goog%-authenticated%-user%-",
  "^x%-ms%-client%-principal",
  "^x%-amzn%-oidc%-",
  "^tailscale%-user%-",
  "^cf%-access%-authenticated%-user%-",
  "^client%-cert$",
  "^client%-cert%-chain$",
  "^ssl%-client%-",
  "^x%-ssl%-client%-",
}

-- As an upstream behind CGI or WSGI reads a name: everything but letters and digits is one character there.
local function plain(name)
  return (name:lower():gsub("[^a-z0-9]", "-"))
end

local function is_claim(name)
  local read = plain(name)
  if read:match("^x%-auth%-") then
    return read ~= "x-auth-token"
  end
  return read:match("^x%-forwarded%-") ~= nil or read:match("^x%-original%-") ~= nil or claims[read] == true
end

local function is_another_proxys(name)
  local read = plain(name)
  for _, pattern in ipairs(others) do
    if read:match(pattern) then
      return true
    end
  end
  return false
end

-- HTTP/2 has no request line: HAProxy makes up an absolute one, and sends it on where the scheme is neither http nor https. In
-- HTTP/1 it is what the client wrote. What goes on is judged as such.
local function target_of(txn)
  local version = txn.f:req_ver()
  local url = txn.f:url()
  if (version == "2.0" or version == "3.0") and url:match("^https?://") then
    return txn.f:pathq()
  end
  return url
end

local function question(txn, host, headers)
  local asked = {}
  for name, lines in pairs(headers) do
    if not hop[name] and (name == "x-override-token" or not is_claim(name)) then
      local values = {}
      for index = 0, #lines do
        values[#values + 1] = lines[index]
      end
      asked[name] = values
    end
  end
  asked["x-forwarded-method"] = { txn.f:method() }
  asked["x-forwarded-uri"] = { target_of(txn) }
  asked["x-forwarded-host"] = { host }
  asked["x-forwarded-proto"] = { txn.f:ssl_fc() == 1 and "https" or "http" }
  asked["x-forwarded-for"] = { txn.f:src() }
  return asked
end

local unavailable = {
  status = 503,
  reason = "Service Unavailable",
  headers = { ["content-type"] = { [0] = "application/json" }, ["cache-control"] = { [0] = "no-store" } },
  body = '{"error":"Authentication unavailable","reason":"unavailable","authenticated":false}',
}

local function first(answer, name)
  local lines = answer.headers and answer.headers[name]
  return lines and lines[0] or ""
end

-- HAProxy answers by itself, in HTML, when it could reach nobody; so might something that is not Countersign.
local function is_ours(answer)
  if answer == nil or answer.status == nil then
    return false
  end
  if answer.status == 200 then
    return first(answer, "x-auth-mode") ~= ""
  end
  return answer.status >= 400 and first(answer, "content-type"):match("^application/json") ~= nil
end

local function refuse(txn, answer)
  local reply = txn:reply()
  reply:set_status(answer.status, answer.reason)
  for name, lines in pairs(answer.headers or {}) do
    if not hop[name] then
      for index = 0, #lines do
        reply:add_header(name, lines[index])
      end
    end
  end
  reply:set_body(answer.body or "")
  txn:done(reply)
end

local function pass(txn, host, headers, answer)
  for name in pairs(headers) do
    if is_claim(name) then
      txn.http:req_del_header(name)
    end
  end
  for _, name in ipairs(identity) do
    txn.http:req_set_header(name, first(answer, name))
  end
  if first(answer, "x-auth-mode") == "enforce" then
    for _, name in ipairs(spent) do
      txn.http:req_del_header(name)
    end
    for name in pairs(headers) do
      if is_another_proxys(name) then
        txn.http:req_del_header(name)
      end
    end
  end
  -- Only WebSockets are passed on as an upgrade: "Upgrade: h2c" would open a channel whose requests nobody judges. And a proxy
  -- before the service would take off what Connection lists, ours too: the client's list goes.
  local upgrade = headers["upgrade"]
  if upgrade and #upgrade == 0 and upgrade[0]:lower() == "websocket" then
    txn.http:req_set_header("connection", "upgrade")
  else
    txn.http:req_del_header("upgrade")
    txn.http:req_del_header("connection")
  end
  txn.http:req_del_header("http2-settings")
  txn.http:req_set_header("x-forwarded-for", txn.f:src())
  txn.http:req_set_header("x-forwarded-host", host)
  txn.http:req_set_header("x-forwarded-proto", txn.f:ssl_fc() == 1 and "https" or "http")
end

core.register_action("countersign", { "http-req" }, function(txn, service, prefix)
  local headers = txn.http:req_get_headers()
  local host = headers["host"] and headers["host"][0] or ""
  local answer = core.httpclient():get({
    url = authority .. "/auth/verify/forward?service=" .. service .. "&prefix=" .. (prefix == "/" and "" or prefix),
    headers = question(txn, host, headers),
    timeout = timeout_milliseconds,
  })
  if not is_ours(answer) then
    return refuse(txn, unavailable)
  end
  if answer.status ~= 200 then
    return refuse(txn, answer)
  end
  pass(txn, host, headers, answer)
end, 2)
