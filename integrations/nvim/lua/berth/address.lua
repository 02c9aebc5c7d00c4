-- SPDX-License-Identifier: Apache-2.0

local M = {}

M.DEFAULT = "127.0.0.1:7411"

-- `HOST:PORT`, `[IPV6]:PORT` or `unix:PATH` → { host, port } or { path }; or nil and what is wrong. Without text: the
-- environment's BERTH_SERVER, else the default.
function M.parse(text)
  if text == nil then
    text = os.getenv("BERTH_SERVER") or ""
    text = text ~= "" and text or M.DEFAULT
  end
  if type(text) ~= "string" then
    return nil, "an address is text, HOST:PORT or unix:PATH, and not a " .. type(text)
  end
  local path = text:match("^unix:(.+)$")
  if path then
    return { path = path }
  end
  local scheme, rest = text:match("^(%w+)://([^/]*)")
  if scheme then
    return nil, ("%q is a URL, and Berth does not speak %s: say %q"):format(text, scheme, rest)
  end
  local host, port = text:match("^%[([^%]]+)%]:(%d+)$")
  if host == nil then
    host, port = text:match("^([^:]+):(%d+)$")
  end
  port = tonumber(port)
  if host == nil or host == "unix" or port < 1 or port > 65535 then
    return nil, ("%q is no address: HOST:PORT or unix:PATH"):format(text)
  end
  return { host = host, port = port }
end

function M.describe(address)
  if address.path then
    return "unix:" .. address.path
  end
  local host = address.host:find(":", 1, true) and ("[" .. address.host .. "]") or address.host
  return host .. ":" .. address.port
end

return M
