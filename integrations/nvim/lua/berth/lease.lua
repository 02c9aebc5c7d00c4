-- SPDX-License-Identifier: Apache-2.0

-- A leased container: programs, contexts, files. All of it waits, and so runs in tasks.

local contexts = require("berth.context")
local errors = require("berth.errors")
local execution_of = require("berth.execution")
local limits_of = require("berth.limits")
local messages = require("berth.messages")
local options_of = require("berth.options")
local results = require("berth.results")
local streams = require("berth.stream")
local watches = require("berth.watch")

local M = {}

local Lease = {}
Lease.__index = Lease

function M.new(client, token)
  return setmetatable({ client = client, token = token }, Lease)
end

local function ask(self, method, request)
  request.lease = self.token
  return self.client:call(method, messages[method .. "Request"], request, messages[method .. "Response"])
end

function Lease:execute(options)
  return self.client:start(self.token, options)
end

function Lease:run(options)
  return self.client:collect(self.token, options)
end

-- options: stdout_offset, stderr_offset, events_position, from_now, observe, window
function Lease:attach(execution, options)
  options = options or {}
  local request = {
    lease = self.token, execution = execution, stdout_offset = options.stdout_offset, stderr_offset = options.stderr_offset,
    events_position = options.events_position, from_now = options.from_now, observe = options.observe,
    window_bytes = options_of.window(options.window or self.client.window),
  }
  local watch = watches.new(self.client, limits_of.new(), {
    method = "Attach", payload = messages.AttachRequest:encode(request), lease = self.token, window = request.window_bytes,
    offsets = { options.stdout_offset or 0, options.stderr_offset or 0, options.events_position or 0 },
  })
  return execution_of.new(self.client, watch)
end

function Lease:executions()
  return vim.tbl_map(results.execution_info, ask(self, "ListExecutions", {}).executions)
end

-- MARK: Contexts

-- options: env, cwd, uid
function Lease:context(language, options)
  local request = options_of.open_context(self.token, language, options or {})
  local response = ask(self, "OpenContext", request)
  return contexts.new(self, response.context, language, response.version)
end

function Lease:contexts()
  return ask(self, "ListContexts", {}).contexts
end

-- MARK: Connections

-- To what listens in the container. options: port or path, wait (until somebody listens there), timeout, idle_timeout, window
function Lease:connect(options)
  local request = options_of.connect(self.token, options, self.client.window)
  return streams.new(self.client, watches.new(self.client, limits_of.new(), {
    method = "Connect", payload = messages.ConnectRequest:encode(request), lease = self.token, window = request.window_bytes,
  }))
end

-- MARK: The lease

function Lease:renew(ttl)
  return ask(self, "Renew", { ttl_ms = options_of.milliseconds(ttl, "ttl") }).ttl_ms
end

function Lease:release()
  ask(self, "Release", {})
end

-- MARK: Files

-- options: mode, create_parents
function Lease:write_file(path, data, options)
  options = options or {}
  local request = options_of.path({}, "path", path)
  request.mode, request.create_parents = options.mode and options_of.mode(options.mode), options.create_parents
  self:upload("WriteFile", request, data)
end

-- Returns how many files were unpacked.
function Lease:write_archive(path, data)
  return self:upload("WriteArchive", options_of.path({}, "path", path), data).files
end

-- In pieces, each when the one before was taken.
function Lease:upload(method, request, data)
  local position = 1
  local answer
  repeat
    request.data = data:sub(position, position + options_of.CHUNK - 1)
    position = position + options_of.CHUNK
    request.more = position <= #data
    answer = ask(self, method, request)
    request.upload, request.offset = answer.upload, answer.offset
  until position > #data
  return answer
end

local function read(self, method, request)
  request.lease, request.window_bytes = self.token, self.client.window
  local watch = watches.new(self.client, limits_of.new(), {
    method = method, payload = messages[method .. "Request"]:encode(request), lease = self.token, window = self.client.window,
    is_file = true,
  })
  local pieces = {}
  for event in function() return watch:next() end do
    if event.type == "output" then
      table.insert(pieces, event.data)
      watch:taken(event)
    end
  end
  return table.concat(pieces), watch.file
end

-- Its bytes, and what is known of it. options: offset, length
function Lease:read_file(path, options)
  options = options or {}
  local request = options_of.path({}, "path", path)
  request.offset, request.length = options.offset, options.length
  return read(self, "ReadFile", request)
end

-- The tar's bytes.
function Lease:read_archive(path)
  return (read(self, "ReadArchive", options_of.path({}, "path", path)))
end

function Lease:list_directory(path)
  local request = options_of.path({ lease = self.token }, "path", path)
  local entries = {}
  self.client:stream("ListDirectory", messages.ListDirectoryRequest:encode(request), function(data)
    for _, entry in ipairs(messages.ListDirectoryResponse:decode(data).entries) do
      table.insert(entries, results.file_info(entry))
    end
  end)
  return entries
end

function Lease:stat(path, is_followed)
  local request = options_of.path({}, "path", path)
  request.follow = is_followed
  local info = ask(self, "Stat", request).info
  return results.file_info(info or errors.raise("INTERNAL", "the server sent no information of a file"))
end

-- options: mode, parents
function Lease:make_directory(path, options)
  options = options or {}
  local request = options_of.path({}, "path", path)
  request.mode, request.parents = options.mode and options_of.mode(options.mode), options.parents
  ask(self, "MakeDirectory", request)
end

function Lease:rename(from, to, is_never_replaced)
  local request = options_of.path(options_of.path({}, "from", from), "to", to)
  request.no_replace = is_never_replaced
  ask(self, "RenameFile", request)
end

function Lease:change_mode(path, mode)
  local request = options_of.path({}, "path", path)
  request.mode = options_of.mode(mode)
  ask(self, "ChangeMode", request)
end

function Lease:remove(path, is_recursive)
  local request = options_of.path({}, "path", path)
  request.recursive = is_recursive
  ask(self, "RemoveFile", request)
end

return M
