-- SPDX-License-Identifier: Apache-2.0

-- One stream of events of an execution or a file: what it is, how far it was consumed, what credit is due.

local codec = require("berth.codec")
local errors = require("berth.errors")
local limits_of = require("berth.limits")
local messages = require("berth.messages")
local results = require("berth.results")
local task = require("berth.task")

local M = {}

-- So many events are acknowledged at the latest: a server has no more than 60 on their way, however small they are.
local EVENTS_PER_CREDIT = 30
-- More than any server that keeps to a window has sent and not been given credit for: the largest window, and the largest
-- message on top of it.
local HELD_LIMIT = 8 * 2 ^ 20

local Watch = {}
Watch.__index = Watch

-- `about`: method, payload (the encoded request), lease, window, offsets (stdout, stderr and the position of what is shown),
-- is_file. The call begins at once; who reads is told if that fails.
function M.new(client, limits, about)
  local offsets = about.offsets or { 0, 0, 0 }
  local self = setmetatable({
    client = client, lease = about.lease, is_file = about.is_file, threshold = about.window / 4,
    consumed = { unpack(offsets) }, acknowledged = { unpack(offsets) }, taken_events = 0,
    -- What came and was not asked for yet: from `first` on.
    events = {}, first = 1, held = 0, is_over = false, is_done = false, listeners = {}, member = "",
  }, Watch)
  self.stop = limits:watch(function()
    self:finish(limits_of.passed())
    self:give_up()
  end)
  task.spawn(function()
    local connection = client:connected(limits)
    if self.is_given_up then
      return
    end
    self.connection = connection
    connection:start({
      is_stream = true,
      receive = function(data)
        self:receive(data)
      end,
      finish = function(problem)
        self:finish(problem)
      end,
    }, about.method, about.payload, limits:remaining())
  end, function(is_begun, problem)
    if not is_begun then
      self:finish(problem)
    end
  end)
  return self
end

-- Calls `act` at the next change.
function Watch:listen(act)
  table.insert(self.listeners, act)
end

function Watch:changed()
  local listeners = self.listeners
  self.listeners = {}
  for _, act in ipairs(listeners) do
    act()
  end
end

function Watch:wait()
  task.await(function(resume)
    self:listen(resume)
  end)
end

function Watch:finish(problem)
  if self.is_done then
    return
  end
  self.is_done = true
  self.problem = problem
  if problem == nil and not self.is_over then
    self.problem = errors.unexpected("the end of a stream without the end of what it was about")
  end
  self.stop()
  self:changed()
end

function Watch:receive(data)
  local type = self.is_file and messages.FileEvent or messages.ExecuteEvent
  local is_read, message = pcall(type.decode, type, data)
  if not is_read then
    if not codec.is_decode_error(message) then
      error(message, 0)
    end
    self:finish(errors.unexpected("an event that is none: " .. message.message))
    return
  end
  local event = self:event(message)
  if event and not self.is_given_up then
    event.held = #data
    self.held = self.held + #data
    self.events[#self.events + 1] = event
    if self.held > HELD_LIMIT then
      self:finish(errors.unexpected("more than its window allows"))
      self:give_up()
    end
  end
  self:changed()
end

function Watch:event(message)
  if message.output then
    local output = message.output
    return { type = "output", stream = results.STREAMS[output.stream], offset = output.offset, data = output.data }
  elseif message.dropped then
    local dropped = message.dropped
    local index = dropped.stream + 1
    -- Not output, and so no part of the window: credit counts on from behind it.
    if self.consumed[index] then
      self.consumed[index] = math.max(self.consumed[index], dropped.offset + dropped.bytes)
      self.acknowledged[index] = math.max(self.acknowledged[index], dropped.offset + dropped.bytes)
    end
    return { type = "dropped", stream = results.STREAMS[dropped.stream] or "events", offset = dropped.offset, bytes = dropped.bytes }
  end
  local started = message.started or message.start
  if started then
    self.execution, self.watcher, self.member = started.execution, started.watcher, started.member or ""
    self.file = started.info and results.file_info(started.info)
    if self.is_given_up then
      self:detach()
    end
  elseif message.ended then
    self.ended = results.ended(message.ended)
    self.is_over = true
  elseif message["end"] then
    self.is_over = true
  elseif message.output_ended then
    return { type = "output_ended" }
  else
    return results.shown(message)
  end
  return nil
end

-- The execution's id, once it has started.
function Watch:id()
  while self.execution == nil do
    if self.is_done then
      error(self.problem or errors.unexpected("the end of an execution that had not begun"), 0)
    end
    self:wait()
  end
  return self.execution
end

-- The next event, without waiting; nil if none is there.
function Watch:poll()
  local event = self.events[self.first]
  if event == nil then
    return nil
  end
  self.events[self.first] = nil
  self.first = self.first + 1
  if self.events[self.first] == nil then
    self.events, self.first = {}, 1
  end
  self.held = self.held - event.held
  return event
end

-- The next event, nil at the end. What it tells of is consumed when `taken` says so.
function Watch:next()
  while true do
    local event = self:poll()
    if event then
      return event
    elseif self.is_over then
      return nil
    elseif self.is_done then
      error(self.problem, 0)
    end
    self:wait()
  end
end

-- Credit for an event goes back when a quarter of the window was consumed, or many events were. Never for less: a server that
-- gets credit for each small piece has only small pieces to send.
function Watch:taken(event)
  local index, offset
  if event.type == "output" then
    index, offset = results.INDEX[event.stream], event.offset + #event.data
  elseif event.position then
    index, offset = results.SHOWN, event.position
  else
    return
  end
  self.consumed[index] = math.max(self.consumed[index], offset)
  self.taken_events = self.taken_events + 1
  local due = 0
  for stream, consumed in ipairs(self.consumed) do
    due = due + consumed - self.acknowledged[stream]
  end
  if (due >= self.threshold or self.taken_events >= EVENTS_PER_CREDIT) and not (self.is_over or self.is_given_up) then
    self.taken_events = 0
    self.acknowledged = { unpack(self.consumed) }
    self:post("Acknowledge", messages.AcknowledgeRequest:encode({
      lease = self.lease, execution = self.execution, watcher = self.watcher, stdout_offset = self.consumed[1],
      stderr_offset = self.consumed[2], events_position = self.consumed[3],
    }))
  end
end

function Watch:post(method, payload)
  if self.connection then
    self.connection:post(method, payload)
  end
end

function Watch:detach()
  self:post("Detach", messages.DetachRequest:encode({ lease = self.lease, execution = self.execution, watcher = self.watcher }))
end

-- Ends the stream, if it is not at its end: as soon as it has said who it is.
function Watch:give_up()
  if self.is_given_up or self.is_over then
    return
  end
  self.is_given_up = true
  self.events, self.first, self.held = {}, 1, 0
  self:finish(errors.new("CANCELLED", "this stream was closed here"))
  if self.execution then
    self:detach()
  end
end

return M
