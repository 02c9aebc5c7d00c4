-- SPDX-License-Identifier: Apache-2.0

-- A byte stream to what listens in a container. Both directions end on their own. All of it waits, and so runs in tasks.

local errors = require("berth.errors")
local execution_of = require("berth.execution")
local results = require("berth.results")

local M = {}

local Stream = {}
Stream.__index = Stream

-- Waits until it is made; raises why it cannot be.
function M.new(client, watch)
  local execution = execution_of.new(client, watch, 0)
  execution:id()
  return setmetatable({ execution = execution }, Stream)
end

-- What comes next, nil at the end. Raises ABORTED where the other side broke it off, UNAVAILABLE where the lease, a time-out
-- or the server ended it.
function Stream:read()
  while not self.has_ended do
    local event = self.execution:next()
    if event == nil then
      self.has_ended = true
      local ended = self.execution:ended()
      if ended.cause ~= "exited" then
        errors.raise(ended.cause == "connection_reset" and "ABORTED" or "UNAVAILABLE", results.describe(ended))
      end
    elseif event.type == "output" then
      return event.data
    elseif event.type == "output_ended" then
      self.has_ended = true
    end
  end
  return nil
end

-- Waits until it was taken. With `is_end` nothing follows. Raises FAILED_PRECONDITION or NOT_FOUND where the other side takes
-- no more.
function Stream:write(data, is_end)
  self.execution:write(data, is_end)
end

-- Closes it, in both directions.
function Stream:close()
  self.execution:close()
end

return M
