-- SPDX-License-Identifier: Apache-2.0

-- A running program, or piece of code. All of it waits, and so runs in tasks.

local errors = require("berth.errors")
local messages = require("berth.messages")
local options_of = require("berth.options")
local task = require("berth.task")
local text = require("berth.text")

local M = {}

local Execution = {}
Execution.__index = Execution

-- Without an input offset, the server is asked for it before the first write.
function M.new(client, watch, input_offset)
  return setmetatable({ client = client, watch = watch, input_offset = input_offset, inputting = task.lock() }, Execution)
end

-- Its id, once it has started.
function Execution:id()
  return self.watch:id()
end

-- How it ended; nil before all of its output was taken.
function Execution:ended()
  return self.watch.ended
end

-- The next event, with credit for it; nil at the end.
function Execution:next()
  local event = self.watch:next()
  if event then
    self.watch:taken(event)
  end
  return event
end

-- Calls `take(stream, text, dropped)` for the rest of the output in whole characters; what is not UTF-8 becomes U+FFFD.
function Execution:each_text(take)
  local readers = { stdout = text.reader(), stderr = text.reader() }
  for event in function() return self:next() end do
    local reader = readers[event.stream]
    if event.type == "output" then
      local whole = reader:feed(event.data)
      if whole ~= "" then
        take(event.stream, whole, 0)
      end
    elseif event.type == "dropped" and reader then
      -- What is behind a gap is not the rest of a character before it.
      take(event.stream, reader:finish(), event.bytes)
    end
  end
  for _, stream in ipairs({ "stdout", "stderr" }) do
    local rest = readers[stream]:finish()
    if rest ~= "" then
      take(stream, rest, 0)
    end
  end
end

-- All that it wrote (from here on), and how it ended.
function Execution:result()
  local pieces = { stdout = {}, stderr = {} }
  local result = { displays = {} }
  for event in function() return self:next() end do
    if event.type == "output" then
      table.insert(pieces[event.stream], event.data)
    elseif event.type == "display" then
      table.insert(result.displays, event)
      if event.is_result then
        result.value = event.data["text/plain"] or ""
      end
    elseif event.type == "failure" then
      result.failure = event
    end
  end
  result.stdout, result.stderr = table.concat(pieces.stdout), table.concat(pieces.stderr)
  result.ended = self:ended()
  return result
end

-- Gives the stream up, if it is not at its end.
function Execution:close()
  self.watch:give_up()
end

-- MARK: While it runs

local function about(self)
  return { lease = self.watch.lease, execution = self:id() }
end

-- Pieces go in order, also those of calls that did not wait for each other.
function Execution:write(data, is_end)
  self.inputting:with(function()
    local position = 1
    if self.input_offset == nil then
      -- Others have written before: the answer to nothing at the beginning says how much.
      local response = self.client:call("Input", messages.InputRequest, about(self), messages.InputResponse, { deadline = false })
      self.input_offset = response.offset
    end
    repeat
      local request = about(self)
      request.offset = self.input_offset
      request.data = data:sub(position, position + options_of.CHUNK - 1)
      position = position + options_of.CHUNK
      request["end"] = is_end and position > #data or nil
      local response = self.client:call("Input", messages.InputRequest, request, messages.InputResponse, { deadline = false })
      self.input_offset = response.offset
    until position > #data
  end)
end

-- After Attach: asks how much of the standard input has come already, which what is written follows.
function Execution:find_input()
  local is_known, problem = task.try(function()
    self:write("")
  end)
  -- What has ended, or takes no input, needs none.
  if not is_known and not errors.is(problem, "FAILED_PRECONDITION") and not errors.is(problem, "NOT_FOUND") then
    error(problem, 0)
  end
end

-- Sends the standard input that did not go with the request. A program that ends without reading it ends as it does.
function Execution:feed(rest, is_end)
  task.spawn(function()
    self:write(rest, is_end)
  end, function() end)
end

-- A name or a number.
function Execution:signal(signal)
  local request = about(self)
  request[type(signal) == "number" and "signal" or "name"] = signal
  self.client:call("Signal", messages.SignalRequest, request, messages.SignalResponse)
end

function Execution:cancel(grace)
  local request = about(self)
  request.cancel = true
  request.grace_ms = options_of.milliseconds(grace, "grace")
  self.client:call("Signal", messages.SignalRequest, request, messages.SignalResponse)
end

function Execution:resize(rows, columns)
  local request = about(self)
  request.terminal = { rows = rows, columns = columns }
  self.client:call("Resize", messages.ResizeTerminalRequest, request, messages.ResizeTerminalResponse)
end

return M
