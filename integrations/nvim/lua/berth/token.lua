-- SPDX-License-Identifier: Apache-2.0

-- Who calls, for servers that ask for it: a token of the environment.

local M = {}

local function variable(name)
  local value = os.getenv(name)
  return value ~= "" and value or nil
end

local function is_local(address)
  return address.path ~= nil or address.host == "localhost" or address.host == "::1" or address.host:find("^127%.[%d.]+$") ~= nil
end

-- The metadata of every request, for a server at this address; or nil and what is wrong.
function M.metadata(address)
  local token, origin = variable("BERTH_TOKEN"), "BERTH_TOKEN"
  local path = variable("BERTH_TOKEN_FILE")
  if token == nil and path then
    local file, problem = io.open(path)
    if file == nil then
      return nil, "BERTH_TOKEN_FILE cannot be read: " .. problem
    end
    token, origin = (file:read("*a") or ""):match("^%s*(.-)%s*$"), "the content of BERTH_TOKEN_FILE, " .. path .. ","
    file:close()
    if token == "" then
      return nil, origin .. " is empty"
    end
  end
  if token == nil then
    return {}
  end
  if not token:find("^[!-~]+$") then
    return nil, origin .. " is no token: it has characters other than ASCII's visible ones"
  end
  if not is_local(address) then
    return nil, "a token is not sent to " .. address.host .. " without TLS, since others could read it: connect to a tunnel on this machine"
  end
  return { { key = "authorization", value = "Bearer " .. token } }
end

return M
