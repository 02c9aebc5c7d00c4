-- SPDX-License-Identifier: Apache-2.0

-- When a call must be over.

local errors = require("berth.errors")
local task = require("berth.task")

local M = {}

-- The server ends a call by its deadline; here it counts a little later, so that an answer that came in time is taken.
local PATIENCE_MS = 250

local Limits = {}
Limits.__index = Limits

function M.now()
  return vim.loop.hrtime() / 1e6
end

-- `deadline` in milliseconds from now; nil is none.
function M.new(deadline)
  return setmetatable({ due = deadline and M.now() + deadline }, Limits)
end

function M.passed()
  return errors.new("DEADLINE_EXCEEDED", "the call's deadline has passed")
end

-- What is left, in milliseconds; nil without a deadline.
function Limits:remaining()
  return self.due and math.max(0, self.due - M.now())
end

function Limits:check()
  if self:remaining() == 0 then
    error(M.passed(), 0)
  end
end

-- Calls `leave` when the time is up. What it returns ends the watch.
function Limits:watch(leave)
  if self.due == nil then
    return function() end
  end
  return task.timer(self:remaining() + PATIENCE_MS, leave)
end

return M
