-- SPDX-License-Identifier: Apache-2.0

-- An interpreter in a lease that keeps its state from one piece of code to the next. All of it waits, and so runs in tasks.

local messages = require("berth.messages")
local results = require("berth.results")

local M = {}

local Context = {}
Context.__index = Context

function M.new(lease, id, language, version)
  return setmetatable({ lease = lease, id = id, language = language, version = version }, Context)
end

local function ask(self, method, request)
  request.lease, request.context = self.lease.token, self.id
  return self.lease.client:call(method, messages[method .. "Request"], request, messages[method .. "Response"])
end

local function piece(code, options)
  return vim.tbl_extend("force", options or {}, { code = code })
end

function Context:execute(code, options)
  return self.lease.client:start(self.lease.token, piece(code, options), self.id)
end

function Context:run(code, options)
  return self.lease.client:collect(self.lease.token, piece(code, options), self.id)
end

-- What could stand at a place in the code, in bytes; at its end, if none is given: matches, start, end.
function Context:complete(code, cursor)
  local response = ask(self, "Complete", { code = code, cursor = cursor or #code })
  return response.matches, response.start, response["end"]
end

-- What is known of the name at a place in the code, by MIME types; nil for nothing.
function Context:inspect(code, cursor, is_detailed)
  local response = ask(self, "Inspect", { code = code, cursor = cursor or #code, detail = is_detailed })
  return response.found and results.forms(response.data) or nil
end

-- A copy with all that it holds; from then on they are two. Python alone.
function Context:fork()
  local response = ask(self, "ForkContext", {})
  return M.new(self.lease, response.context, self.language, response.version)
end

function Context:close()
  ask(self, "CloseContext", {})
end

return M
