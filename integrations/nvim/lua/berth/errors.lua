-- SPDX-License-Identifier: Apache-2.0

-- A failed call: `code` is the name of gRPC's code, `message` what was wrong and what would be right. `reason` tells apart
-- what has the same code, where the server gives one that is known here; `metadata` is what it says beside it.

local messages = require("berth.messages")

local M = {}

local NAMES = {
  "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED",
  "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS",
  "UNAUTHENTICATED",
}

local BerthError = {}
BerthError.__index = BerthError
BerthError.__tostring = function(self)
  return self.message
end

function M.new(code, message, reason, metadata)
  return setmetatable({ code = code, message = message, reason = reason, metadata = metadata or {} }, BerthError)
end

function M.raise(code, message)
  error(M.new(code, message), 0)
end

-- `value` is a failed call, with this code if one is given.
function M.is(value, code)
  return getmetatable(value) == BerthError and (code == nil or value.code == code)
end

function M.unexpected(what)
  return M.new("INTERNAL", "the server sent " .. what)
end

local function info_of(details)
  local codec = require("berth.codec")
  for _, any in ipairs(details) do
    if any.type_url:match("[^/]*$") == "google.rpc.ErrorInfo" then
      local is_info, info = pcall(messages.ErrorInfo.decode, messages.ErrorInfo, any.value)
      if is_info and info.domain == "berth.dev" then
        return info
      elseif not is_info and not codec.is_decode_error(info) then
        error(info, 0)
      end
    end
  end
  return nil
end

-- Of a ttrpc.Status.
function M.of(status)
  local info = info_of(status.details)
  local reason = info and messages.ErrorReason[info.reason] and info.reason or nil
  return M.new(NAMES[status.code] or "UNKNOWN", status.message, reason, info and info.metadata)
end

return M
