-- SPDX-License-Identifier: Apache-2.0

-- From what callers say to the contract's messages. Times are in milliseconds, sizes in bytes, text is bytes.

local messages = require("berth.messages")
local text = require("berth.text")

local M = {}

M.DEFAULT_WINDOW = 256 * 1024
local MIN_WINDOW, MAX_WINDOW = 64 * 1024, 1024 * 1024
-- What `run` collects of each stream when it is not told.
M.DEFAULT_RUN_OUTPUT = 16 * 2 ^ 20
-- Up to here the standard input goes with the request itself; what is longer follows in pieces, as the program reads.
local INLINE_INPUT = 1024 * 1024
-- What goes in one Input, WriteFile or WriteArchive.
M.CHUNK = 256 * 1024

local function wrong(what, wanted, value)
  error(("%s must be %s, and is %s"):format(what, wanted, type(value)), 0)
end

local function of_type(kind)
  return function(value, what)
    if type(value) ~= kind then
      wrong(what, "a " .. kind, value)
    end
    return value
  end
end

local flag, bytes = of_type("boolean"), of_type("string")

local function count(value, what)
  if type(value) ~= "number" or value < 0 or value % 1 ~= 0 then
    wrong(what, "a whole number, not negative", value)
  end
  return value
end

-- 0 for nil, which leaves it to the server; else at least 1, since 0 would mean the same.
function M.milliseconds(time, what)
  if time == nil then
    return 0
  end
  if type(time) ~= "number" or time ~= time or time < 0 then
    wrong(what, "milliseconds, not negative", time)
  end
  return math.min(math.max(1, math.floor(time + 0.5)), 2 ^ 32 - 1)
end

function M.window(size)
  if type(size) ~= "number" or size < MIN_WINDOW or size > MAX_WINDOW or size % 1 ~= 0 then
    error(("a window has %d to %d bytes, and not %s"):format(MIN_WINDOW, MAX_WINDOW, tostring(size)), 0)
  end
  return size
end

-- What Linux knows as bytes: the field of text, or, where it is not UTF-8, that of bytes beside it.
function M.path(request, name, value)
  bytes(value, name)
  request[text.is_valid(value) and name or (name .. "_raw")] = value
  return request
end

local function set_argv(request, argv)
  if type(argv) ~= "table" or #argv == 0 then
    wrong("argv", 'a list that begins with the program, as { "echo", "hello" }', argv)
  end
  local is_text = true
  for index, word in ipairs(argv) do
    bytes(word, ("argv[%d]"):format(index))
    is_text = is_text and text.is_valid(word)
  end
  request[is_text and "argv" or "argv_raw"] = argv
end

local function set_env(request, env)
  if type(env) ~= "table" then
    wrong("env", "a table of names and values", env)
  end
  request.env, request.env_raw = {}, {}
  for name, value in pairs(env) do
    bytes(name, "a name in env")
    bytes(value, "env." .. name)
    if text.is_valid(name) and text.is_valid(value) then
      request.env[name] = value
    else
      table.insert(request.env_raw, name .. "=" .. value)
    end
  end
end

local function set(field, check)
  return function(request, value, name)
    request[field] = check(value, name)
  end
end

local FIELDS = {
  argv = set_argv, env = set_env,
  cwd = function(request, value)
    M.path(request, "cwd", value)
  end,
  terminal = function(request, value)
    request.terminal = {
      rows = count(value.rows, "terminal.rows"), columns = count(value.columns, "terminal.columns"), no_echo = value.no_echo,
    }
  end,
  output_policy = function(request, value)
    local policies = { truncate = messages.OutputPolicy.TRUNCATE_OUTPUT, kill = messages.OutputPolicy.KILL_AT_LIMIT }
    request.output_policy = policies[value] or wrong("output_policy", '"truncate" or "kill"', value)
  end,
  unwatched = function(request, value)
    local ways = { run_on = messages.Unwatched.RUN_ON, wait = messages.Unwatched.WAIT }
    request.unwatched = ways[value] or wrong("unwatched", '"run_on" or "wait"', value)
  end,
  uid = set("uid", count), max_output = set("max_output_bytes", count), window = set("window_bytes", M.window),
}
for _, name in ipairs({ "shell", "code", "language", "pool", "stdin" }) do
  FIELDS[name] = set(name, bytes)
end
for _, name in ipairs({ "keep_stdin_open", "keep_background", "merge_output" }) do
  FIELDS[name] = set(name, flag)
end
for _, name in ipairs({ "wait", "timeout", "grace", "idle_timeout", "resumable" }) do
  FIELDS[name] = set(name .. "_ms", M.milliseconds)
end
FIELDS.cpu_time = set("cpu_time_ms", M.milliseconds)

-- An ExecuteRequest, and the standard input that does not go with it. Raises text for what cannot be right.
function M.execute(lease, options, window, context)
  local ways = 0
  for _, way in ipairs({ "argv", "shell", "code" }) do
    ways = ways + (options[way] ~= nil and 1 or 0)
  end
  if ways ~= 1 then
    error("exactly one of argv, shell and code says what to run", 0)
  end
  local request = { lease = lease, context = context, window_bytes = window }
  for name, value in pairs(options) do
    if name ~= "deadline" then
      if FIELDS[name] == nil then
        error(("%q is no option of execute and run"):format(name), 0)
      end
      FIELDS[name](request, value, name)
    end
  end
  local rest = ""
  if request.stdin and #request.stdin > INLINE_INPUT then
    rest = request.stdin:sub(M.CHUNK + 1)
    request.stdin = request.stdin:sub(1, M.CHUNK)
    request.keep_stdin_open = true
  end
  return request, rest
end

-- An OpenContextRequest.
function M.open_context(lease, language, options)
  local request = { lease = lease, language = bytes(language, "language") }
  for _, name in ipairs({ "env", "cwd", "uid" }) do
    if options[name] ~= nil then
      FIELDS[name](request, options[name], name)
    end
  end
  return request
end

-- A ConnectRequest.
function M.connect(lease, options, window)
  if (options.port == nil) == (options.path == nil) then
    error("a connection goes to a port, or to the path of a unix socket", 0)
  end
  local request = { lease = lease, port = options.port and count(options.port, "port"), window_bytes = M.window(options.window or window) }
  for _, name in ipairs({ "wait", "timeout", "idle_timeout" }) do
    request[name .. "_ms"] = M.milliseconds(options[name], name)
  end
  return options.path and M.path(request, "path", options.path) or request
end

function M.mode(mode)
  return count(mode, "mode")
end

return M
