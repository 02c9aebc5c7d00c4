-- SPDX-License-Identifier: Apache-2.0

local M = {}

M.DEFAULT = "127.0.0.1:7411"
local USE = "use HOST:PORT, such as 127.0.0.1:7411 or [::1]:7411, or unix:/path/to/socket"

-- `HOST:PORT`, `[IPV6]:PORT` or `unix:PATH` → { host, port } or { path }; or nil and what is wrong. Without text: the
-- environment's BERTH_SERVER, else the default.
function M.parse(text)
  if text == nil then
    text = os.getenv("BERTH_SERVER") or ""
    text = text ~= "" and text or M.DEFAULT
  end
  if type(text) ~= "string" then
    return nil, ("an address is text, not a %s: %s"):format(type(text), USE)
  end
  local path = text:match("^unix:(.+)$")
  if path then
    return { path = path }
  end
  if text:find("^tls://") then
    return nil, ('"%s": Neovim has no TLS: connect to a tunnel that ends on this machine, such as stunnel, at HOST:PORT'):format(text)
  end
  if text:find("://", 1, true) then
    return nil, ('"%s" is a URL, not an address: %s'):format(text, USE)
  end
  local host, port = text:match("^%[([^%]]+)%]:(%d+)$")
  if host == nil then
    host, port = text:match("^([^:]+):(%d+)$")
  end
  port = tonumber(port)
  if host == nil or host == "unix" or port < 1 or port > 65535 then
    return nil, ('"%s" is not an address: %s'):format(text, USE)
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
