-- SPDX-License-Identifier: Apache-2.0

-- One connection: calls on a socket. A call is a table with `receive(data)` for each message of a stream, `finish(error, payload)`,
-- which comes once, and `is_stream`.

local addresses = require("berth.address")
local codec = require("berth.codec")
local errors = require("berth.errors")
local frames = require("berth.frames")
local messages = require("berth.messages")
local task = require("berth.task")

local M = {}

local uv = vim.loop

M.SERVICE = "berth.v1.Pool"

-- What a server that takes no connection of ours says once, to the Hello, before it closes it.
local REFUSALS = { RESOURCE_EXHAUSTED = true, FAILED_PRECONDITION = true, UNAVAILABLE = true }

local Connection = {}
Connection.__index = Connection

local function candidates(address)
  if address.path then
    return { address }
  end
  local problem, found = task.await(function(resume)
    local is_asked, why = uv.getaddrinfo(address.host, nil, { socktype = "stream" }, resume)
    if not is_asked then
      resume(why)
    end
  end)
  if problem or #found == 0 then
    return nil, "its name is not known: " .. (problem or "no address")
  end
  for index, entry in ipairs(found) do
    found[index] = { host = entry.addr, port = address.port }
  end
  return found
end

-- Waits at most so many milliseconds. Returns the socket, or nil and what was in the way.
local function open_one(address, timeout)
  local socket = address.path and uv.new_pipe(false) or uv.new_tcp()
  local problem = task.await(function(resume)
    local stop
    local function done(why)
      stop()
      resume(why)
    end
    stop = task.timer(timeout, function()
      resume(("no connection within %d ms"):format(timeout))
    end)
    local is_asked, why
    if address.path then
      is_asked, why = socket:connect(address.path, done)
    else
      is_asked, why = socket:connect(address.host, address.port, done)
    end
    if not is_asked then
      done(why)
    end
  end)
  if problem == nil then
    if not address.path then
      socket:nodelay(true)
      socket:keepalive(true, 30)
    end
    return socket
  end
  if not socket:is_closing() then
    socket:close()
  end
  return nil, problem
end

-- Returns a connected socket, or nil and what was in the way.
function M.open(address, timeout)
  local found, problem = candidates(address)
  for _, each in ipairs(found or {}) do
    local socket
    socket, problem = open_one(each, timeout)
    if socket then
      return socket
    end
  end
  return nil, problem
end

-- `keepalive` in milliseconds; `hello` is an encoded HelloRequest; `metadata` is that of every request.
function M.new(socket, address, keepalive, hello, metadata)
  local self = setmetatable({
    socket = socket, peer = addresses.describe(address), decoder = frames.decoder(), calls = {}, count = 0, next_id = 1,
    keepalive = keepalive, hello = hello, metadata = metadata,
  }, Connection)
  socket:read_start(function(problem, data)
    if problem or data == nil then
      self:lose(problem or "the server closed it")
    else
      self:receive(data)
    end
  end)
  return self
end

local POSTED = { receive = function() end, finish = function() end }

-- Sends what begins a call. Raises a failed call; then there is none.
function Connection:start(call, method, payload, timeout, service)
  local body = frames.request(service or M.SERVICE, method, payload, timeout, self.metadata)
  if self.problem then
    error(self.problem, 0)
  end
  while self.calls[self.next_id] do
    self:advance()
  end
  local id = self.next_id
  self:advance()
  self.calls[id] = call
  self.count = self.count + 1
  self:watch_silence()
  self.socket:write(frames.encode(id, frames.REQUEST, call.is_stream and frames.REMOTE_CLOSED or 0, body))
end

function Connection:advance()
  self.next_id = (self.next_id + 2) % 2 ^ 32
end

-- A call of which nobody wants the answer; nor whether the connection still is.
function Connection:post(method, payload)
  if not self.problem then
    self:start(POSTED, method, payload)
  end
end

function Connection:receive(chunk)
  self.was_heard = true
  local is_read, problem = pcall(self.decoder.feed, self.decoder, chunk, function(...)
    self:deliver(...)
  end)
  if not is_read and not codec.is_decode_error(problem) then
    error(problem, 0)
  elseif problem then
    self:lose(tostring(problem))
  end
end

function Connection:deliver(stream, kind, flags, data)
  local call = self.calls[stream]
  -- Late, or for an id that is not ours: nobody minds.
  if call == nil then
    return
  end
  if kind == frames.RESPONSE then
    local response = messages.Response:decode(data)
    self:forget(stream)
    local status = response.status
    local problem = status and status.code ~= 0 and errors.of(status) or nil
    self.refusal = not self.has_answered and problem and REFUSALS[problem.code] and problem or nil
    self.has_answered = true
    call.finish(problem, response.payload)
  elseif kind == frames.DATA then
    local is_last, is_empty = flags % 2 == 1, math.floor(flags / 4) % 2 == 1
    if not is_empty then
      call.receive(data)
    end
    if is_last then
      self:forget(stream)
      call.finish(nil, "")
    end
  end
end

function Connection:forget(stream)
  self.calls[stream] = nil
  self.count = self.count - 1
end

-- While calls are open, a server that says nothing is asked whether it is there, and given up if it is silent on.
function Connection:watch_silence()
  if self.timer then
    return
  end
  self.was_heard, self.was_asked = false, false
  self.timer = uv.new_timer()
  local half = math.floor(self.keepalive / 2)
  self.timer:start(half, half, function()
    self:look()
  end)
end

function Connection:stop_watching()
  if self.timer then
    self.timer:stop()
    self.timer:close()
    self.timer = nil
  end
end

function Connection:look()
  if self.count == 0 then
    self:stop_watching()
    return
  end
  local is_silent = not self.was_heard
  if is_silent and self.was_asked then
    self:lose(("the server has said nothing for %d ms, and did not answer a Hello"):format(self.keepalive))
    return
  end
  self.was_asked = is_silent
  self.was_heard = false
  if is_silent then
    self:post("Hello", self.hello)
  end
end

function Connection:close()
  self:lose("it was closed here")
end

-- Ends every call, once.
function Connection:lose(why)
  if self.problem then
    return
  end
  -- What the server said, if that was all it said, is more than that the connection was lost.
  self.problem = self.refusal or errors.new("UNAVAILABLE", ("the connection to %s was lost: %s"):format(self.peer, why))
  self:stop_watching()
  if not self.socket:is_closing() then
    self.socket:close()
  end
  local calls = self.calls
  self.calls, self.count = {}, 0
  for _, call in pairs(calls) do
    call.finish(self.problem, "")
  end
end

return M
