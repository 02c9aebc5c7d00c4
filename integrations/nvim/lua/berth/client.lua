-- SPDX-License-Identifier: Apache-2.0

-- A client of a Berth server. What asks it waits, and so runs in tasks: require("berth.task").spawn(function() … end).

local addresses = require("berth.address")
local codec = require("berth.codec")
local connections = require("berth.connection")
local errors = require("berth.errors")
local execution_of = require("berth.execution")
local leases = require("berth.lease")
local limits_of = require("berth.limits")
local messages = require("berth.messages")
local options_of = require("berth.options")
local task = require("berth.task")
local tokens = require("berth.token")
local watches = require("berth.watch")

local M = {}

local NAME = "berth-nvim/0.1.0"
-- How long calls may take that the server answers at once, in milliseconds; as all times here.
local CALL_TIMEOUT = 30000
local FIRST_PAUSE, LONGEST_PAUSE = 50, 1000

local Client = {}
Client.__index = Client

-- options: address, connect_timeout, window, keepalive. Raises text for an option, or a token of the environment, that cannot be
-- right.
function M.new(options)
  options = options or {}
  local address, problem = addresses.parse(options.address)
  if address == nil then
    error(problem, 0)
  end
  local metadata
  metadata, problem = tokens.metadata(address)
  if metadata == nil then
    error(problem, 0)
  end
  return setmetatable({
    address = address, metadata = metadata, connect_timeout = options.connect_timeout or 5000, keepalive = options.keepalive or 60000,
    window = options_of.window(options.window or options_of.DEFAULT_WINDOW),
  }, Client)
end

-- Closes the connection. What runs on it is cancelled, save what is resumable; leases that are not detached end 10 s later.
function Client:close()
  self.is_closed = true
  if self.connection then
    self.connection:close()
  end
end

-- MARK: Calls

function Client:hello(options)
  local response = self:call("Hello", messages.HelloRequest, { client = NAME }, messages.HelloResponse, options)
  return { version = response.server, pools = response.pools }
end

-- options: pool, wait, detached, ttl
function Client:acquire(options)
  options = options or {}
  local request = {
    pool = options.pool, wait_ms = options_of.milliseconds(options.wait, "wait"), detached = options.detached,
    ttl_ms = options_of.milliseconds(options.ttl, "ttl"),
  }
  local response = self:call("Acquire", messages.AcquireRequest, request, messages.AcquireResponse, {
    deadline = false,
  })
  return leases.new(self, response.lease)
end

-- One that was acquired elsewhere.
function Client:lease(token)
  return leases.new(self, token)
end

function Client:execute(options)
  return self:start("", options)
end

-- All that a program writes, and how it ended.
function Client:run(options)
  return self:collect("", options)
end

function Client:stats()
  return self:call("Stats", messages.StatsRequest, {}, messages.StatsResponse)
end

local function decoded(type, data)
  local is_read, message = pcall(type.decode, type, data)
  if is_read then
    return message
  elseif codec.is_decode_error(message) then
    error(errors.unexpected("an answer that is none: " .. message.message), 0)
  end
  error(message, 0)
end

-- Any unary call of the contract. options: deadline (false: none), service
function Client:call(method, request_type, request, response_type, options)
  options = options or {}
  local deadline = options.deadline
  if deadline == nil then
    deadline = CALL_TIMEOUT
  end
  local limits = limits_of.new(deadline or nil)
  local payload = request_type:encode(request)
  local connection = self:connected(limits)
  local problem, answer = task.await(function(resume)
    local stop = limits:watch(function()
      resume(limits_of.passed())
    end)
    local call = {
      finish = function(...)
        stop()
        resume(...)
      end,
    }
    local is_sent, why = pcall(connection.start, connection, call, method, payload, limits:remaining(), options.service)
    if not is_sent then
      call.finish(why)
    end
  end)
  if problem then
    error(problem, 0)
  end
  return decoded(response_type, answer)
end

-- A stream without a window, which the server bounds: `take(data)` for each message.
function Client:stream(method, payload, take)
  local connection = self:connected(limits_of.new())
  local problem = task.await(function(resume)
    connection:start({ is_stream = true, receive = take, finish = resume }, method, payload)
  end)
  if problem then
    error(problem, 0)
  end
end

-- MARK: For leases and contexts

-- Starts a program, in a lease or in a member of its own; or a piece of code, in a context.
function Client:start(lease, options, context)
  local request, rest = options_of.execute(lease, options, self.window, context)
  local watch = watches.new(self, limits_of.new(options.deadline), {
    method = "Execute", payload = messages.ExecuteRequest:encode(request), lease = lease, window = request.window_bytes,
  })
  local execution = execution_of.new(self, watch, request.stdin and #request.stdin or 0)
  if rest ~= "" then
    execution:feed(rest, not options.keep_stdin_open)
  end
  return execution
end

function Client:collect(lease, options, context)
  if options.keep_stdin_open then
    error("run has no way to write to a standard input that is kept open: use execute", 0)
  end
  options = vim.tbl_extend("keep", options, { max_output = options_of.DEFAULT_RUN_OUTPUT })
  return self:start(lease, options, context):result()
end

-- MARK: The connection

-- The connection, made anew if it was lost. Raises UNAVAILABLE when the connect time-out has passed.
function Client:connected(limits)
  limits:check()
  if self.connection and not self.connection.problem then
    return self.connection
  end
  -- Made for all who wait for it, so that none of their limits ends it.
  if self.connecting == nil then
    self.connecting = {}
    task.spawn(function()
      return self:connect()
    end, function(is_made, result)
      local waiting = self.connecting
      self.connecting = nil
      self.outcome = { is_made, result }
      for _, resume in ipairs(waiting) do
        resume(is_made, result)
      end
    end)
  end
  local is_made, result
  if self.connecting then
    is_made, result = task.await(function(resume)
      local stop = limits:watch(function()
        resume(false, limits_of.passed())
      end)
      table.insert(self.connecting, function(...)
        stop()
        resume(...)
      end)
    end)
  else
    is_made, result = unpack(self.outcome)
  end
  if not is_made then
    error(result, 0)
  end
  return result
end

function Client:connect()
  local due = limits_of.now() + self.connect_timeout
  local pause = FIRST_PAUSE
  while true do
    if self.is_closed then
      errors.raise("UNAVAILABLE", "this client is closed")
    end
    local socket, problem = connections.open(self.address, math.max(1, due - limits_of.now()))
    if socket then
      local hello = messages.HelloRequest:encode({ client = NAME })
      self.connection = connections.new(socket, self.address, self.keepalive, hello, self.metadata)
      if self.is_closed then
        self.connection:close()
      end
      -- Who calls, for the server's log.
      self.connection:post("Hello", hello)
      return self.connection
    end
    local rest = pause * (0.5 + math.random() / 2)
    if limits_of.now() + rest >= due then
      errors.raise("UNAVAILABLE", ('no Berth server at %s: %s; start one with "berth serve", or name another with BERTH_SERVER'):format(
        addresses.describe(self.address), problem))
    end
    task.sleep(rest)
    pause = math.min(pause * 2, LONGEST_PAUSE)
  end
end

return M
