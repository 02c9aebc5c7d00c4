-- SPDX-License-Identifier: Apache-2.0

-- What ./conformance runs in a Neovim without a window. Its arguments are in BERTH_ARGUMENTS.

local client_of = require("berth.client")
local errors = require("berth.errors")
local limits_of = require("berth.limits")
local results = require("berth.results")
local task = require("berth.task")

local bxor, band, rshift, tohex = bit.bxor, bit.band, bit.rshift, bit.tohex
local STREAMS = { "stdout", "stderr" }

local function say(line)
  io.stdout:write(line, "\n")
  io.stdout:flush()
end

-- MARK: Bytes

local CRC = {}
for index = 0, 255 do
  local value = index
  for _ = 1, 8 do
    value = bxor(rshift(value, 1), band(value, 1) == 1 and 0xedb88320 or 0)
  end
  CRC[index] = value
end

local function crc32(data)
  local value = -1
  for index = 1, #data do
    value = bxor(CRC[band(bxor(value, data:byte(index)), 255)], rshift(value, 8))
  end
  return tohex(bxor(value, -1))
end

local function unquoted(text)
  return (text:gsub("%%(%x%x)", function(hex)
    return string.char(tonumber(hex, 16))
  end))
end

local function quoted(data)
  return (data:gsub("[^!-$&-~]", function(character)
    return ("%%%02X"):format(character:byte())
  end))
end

local function shown(data)
  return #data <= 128 and quoted(data) or ("bytes=%d crc32=%s"):format(#data, crc32(data))
end

-- MARK: What is printed

local function end_words(ended)
  local words = ended.cause
  local function add(name, value)
    if value ~= 0 then
      words = words .. (" %s=%s"):format(name, value)
    end
  end
  if ended.cause == "exited" or ended.exit_code ~= 0 then
    words = words .. " code=" .. ended.exit_code
  end
  add("signal", ended.signal)
  add("failure", ended.start_failure or 0)
  add("stdout_truncated", ended.stdout_truncated)
  add("stderr_truncated", ended.stderr_truncated)
  add("context_lost", ended.is_context_lost and 1 or 0)
  return words
end

local function sorted_keys(map)
  local keys = vim.tbl_keys(map)
  table.sort(keys)
  return keys
end

local function shown_words(event)
  if event.type == "display" then
    local words = "display"
    if event.id ~= "" then
      words = words .. " id=" .. shown(event.id)
    end
    words = words .. (event.is_update and " update=1" or "") .. (event.is_result and " result=1" or "")
    for _, mime in ipairs(sorted_keys(event.data)) do
      words = words .. (" %s=%s"):format(quoted(mime), shown(event.data[mime]))
    end
    for _, mime in ipairs(sorted_keys(event.left_out)) do
      words = words .. (" left-out=%s:%d"):format(quoted(mime), event.left_out[mime])
    end
    return words
  elseif event.type == "failure" then
    local message = event.message == "" and "" or (" " .. shown(event.message))
    local last = event.traceback[#event.traceback]
    return "failure " .. quoted(event.name) .. message .. (last and (" last=" .. shown(last)) or "")
  end
  return "prompt " .. shown(event.text) .. (event.is_password and " password=1" or "")
end

-- MARK: Steps

local Step = {}
Step.__index = Step

local function parse(line)
  local words = vim.split(line, " ", { plain = true })
  local step = setmetatable({ verb = table.remove(words, 1), words = {}, unused = {} }, Step)
  for _, word in ipairs(words) do
    local key, value = word:match("^([^=]*)=(.*)$")
    step.words[key] = step.words[key] or {}
    table.insert(step.words[key], unquoted(value))
    step.unused[key] = true
  end
  return step
end

function Step:all(key)
  self.unused[key] = nil
  return self.words[key]
end

function Step:text(key, otherwise)
  local values = self:all(key)
  return values and values[1] or otherwise
end

function Step:number(key)
  return tonumber(self:text(key))
end

function Step:octal(key)
  return tonumber(self:text(key, ""), 8)
end

function Step:flag(key)
  return self:text(key) == "1" or nil
end

function Step:bytes(key, repeat_key)
  return self:text(key, ""):rep(self:number(repeat_key) or 1)
end

-- An execution, and what of its output was taken and not yet shown.
local Watched = {}
Watched.__index = Watched

local function watched(execution, lease)
  return setmetatable({
    execution = execution, lease = lease, buffers = { stdout = {}, stderr = {} }, sizes = { stdout = 0, stderr = 0 },
    dropped = { stdout = 0, stderr = 0 },
  }, Watched)
end

function Watched:take()
  local event = self.execution:next()
  if event == nil then
    return false
  elseif event.type == "output" then
    table.insert(self.buffers[event.stream], event.data)
    self.sizes[event.stream] = self.sizes[event.stream] + #event.data
  elseif event.type == "dropped" and self.dropped[event.stream] then
    self.dropped[event.stream] = self.dropped[event.stream] + event.bytes
  end
  return true
end

function Watched:cut(stream, count)
  local all = table.concat(self.buffers[stream])
  self.buffers[stream] = { all:sub(count + 1) }
  self.sizes[stream] = math.max(0, #all - count)
  return all:sub(1, count)
end

-- MARK: The replay of a scenario

local Replay = {}
Replay.__index = Replay

-- Lines of the standard input, as somebody waits for them.
local answers = { lines = {}, rest = "" }

local function new_replay()
  return setmetatable({
    clients = { main = client_of.new() }, leases = {}, contexts = {}, watched = {}, archives = {}, connected = {},
  }, Replay)
end

local NAMES = {
  acquire = { "as" }, start = { "as" }, attach = { "as" }, ["read-archive"] = { "as" }, ["open-context"] = { "as" }, run = {},
  ["fork-context"] = { "as" }, dial = { "as" },
}

-- What a step's line begins with when it fails.
local function name_of(step)
  for _, key in ipairs(NAMES[step.verb] or { "exec", "archive", "path", "context", "lease" }) do
    if step.words[key] then
      return step.verb .. " " .. quoted(step:text(key))
    end
  end
  return step.verb
end

function Replay:perform(step)
  local method = self["do_" .. step.verb:gsub("-", "_")]
  if method == nil then
    say("unsupported " .. step.verb)
    return
  end
  local began = limits_of.now()
  local within, gives_reason = step:number("within_ms") or math.huge, step:flag("reason")
  local is_done, problem = task.try(function()
    method(self, step)
    for key in pairs(step.unused) do
      say(("unsupported %s %s"):format(step.verb, key))
    end
  end)
  if not is_done and errors.is(problem) then
    local reason = gives_reason and (" reason=" .. (problem.reason or "NONE")) or ""
    say(("%s error %s%s"):format(name_of(step), problem.code, reason))
  elseif not is_done then
    say("failed " .. quoted(tostring(problem)))
  end
  if limits_of.now() - began > within then
    say("late")
  end
end

function Replay:client(step)
  return self.clients[step:text("client", "main")]
end

function Replay:lease(step)
  local lease = self.leases[step:text("lease")]
  return step.words.client and self:client(step):lease(lease.token) or lease
end

function Replay:context(step)
  return self.contexts[step:text("context")].context
end

function Replay:exec(step)
  return self.watched[step:text("exec")]
end

function Replay:do_connect(step)
  local name = step:text("as")
  local options = {
    window = step:number("window"), connect_timeout = step:number("connect_timeout_ms"), address = step:text("address"),
  }
  local is_right, found = pcall(client_of.new, options)
  if not is_right then
    say(("connect %s refused %s"):format(name, shown(found)))
    return
  end
  self.clients[name] = found
  say("connected " .. name)
end

function Replay:do_close(step)
  self:client(step):close()
  say("closed " .. step:text("client"))
end

function Replay:do_hello(step)
  say("hello pools=" .. table.concat(self:client(step):hello().pools, ","))
end

function Replay:do_acquire(step)
  self.leases[step:text("as")] = self:client(step):acquire({
    pool = step:text("pool"), wait = step:number("wait_ms"), detached = step:flag("detached"), ttl = step:number("ttl_ms"),
  })
  say("acquired " .. step:text("as"))
end

function Replay:do_token(step)
  self.leases[step:text("as")] = self:client(step):lease(step:text("token"))
end

function Replay:do_renew(step)
  self:lease(step):renew(step:number("ttl_ms"))
  say("renewed " .. step:text("lease"))
end

function Replay:do_release(step)
  self:lease(step):release()
  say("released " .. step:text("lease"))
end

local function value_of(client, field)
  local stats = client:stats()
  if field == "connections" or field == "executions" then
    return tostring(stats[field])
  elseif field == "breaker" then
    return results.BREAKERS[stats.pools[1].breaker]
  end
  return tostring(stats.pools[1][field])
end

function Replay:do_stats(step)
  local words = "stats"
  for _, field in ipairs(step:all("field")) do
    words = words .. (" %s=%s"):format(field, value_of(self:client(step), field))
  end
  say(words)
end

function Replay:do_await(step)
  local field, wanted, client = step:text("field"), step:text("value"), self:client(step)
  local due = limits_of.now() + (step:number("timeout_ms") or 5000)
  local value = value_of(client, field)
  while value ~= wanted and limits_of.now() < due do
    task.sleep(20)
    value = value_of(client, field)
  end
  say(("await %s=%s"):format(field, value))
end

-- MARK: Programs

local NUMBERS = {
  wait_ms = "wait", timeout_ms = "timeout", grace_ms = "grace", idle_timeout_ms = "idle_timeout", cpu_time_ms = "cpu_time",
  deadline_ms = "deadline", resumable_ms = "resumable", uid = "uid", max_output_bytes = "max_output", window = "window",
}

local function program(step)
  local options = {
    argv = step:all("argv"), cwd = step:text("cwd"), shell = step:text("shell"), code = step:text("code"),
    language = step:text("language"), pool = step:text("pool"), merge_output = step:flag("merge_output"),
    keep_background = step:flag("keep_background"), keep_stdin_open = step:flag("stdin_open"),
    output_policy = step:text("output_policy"), unwatched = step:text("unwatched"),
  }
  if step.words.argv_repeat then
    options.argv[#options.argv] = options.argv[#options.argv]:rep(step:number("argv_repeat"))
  end
  for key, name in pairs(NUMBERS) do
    options[name] = step:number(key)
  end
  if step.words.env then
    options.env = {}
    for _, word in ipairs(step:all("env")) do
      local name, value = word:match("^([^=]*)=(.*)$")
      options.env[name] = value
    end
  end
  if step.words.stdin then
    options.stdin = step:bytes("stdin", "stdin_repeat")
  end
  if step.words.terminal then
    local rows, columns = step:text("terminal"):match("(%d+)x(%d+)")
    options.terminal = { rows = tonumber(rows), columns = tonumber(columns), no_echo = step:flag("no_echo") }
  end
  return options
end

-- Begins with `method` whatever the step says, wherever it says.
function Replay:begin(step, method)
  local options = program(step)
  if step.words.context then
    local code = options.code
    options.code = nil
    return self:context(step)[method](self:context(step), code, options)
  end
  local where = step.words.lease and self:lease(step) or self:client(step)
  return where[method](where, options)
end

function Replay:do_run(step)
  local result = self:begin(step, "run")
  for _, stream in ipairs(STREAMS) do
    if result[stream] ~= "" then
      say(stream .. " " .. shown(result[stream]))
    end
  end
  for _, display in ipairs(result.displays) do
    say(shown_words(display))
  end
  if result.failure then
    say(shown_words(result.failure))
  end
  if result.value then
    say("value " .. shown(result.value))
  end
  say("ended " .. end_words(result.ended))
end

function Replay:do_start(step)
  local execution = self:begin(step, "execute")
  execution:id()
  local lease = step.words.context and self.contexts[step:text("context")].lease or step:text("lease")
  self.watched[step:text("as")] = watched(execution, lease)
  say("started " .. step:text("as"))
end

function Replay:do_attach(step)
  local of = self:exec(step)
  local lease = self:client(step):lease(of.lease and self.leases[of.lease].token or "")
  local execution = lease:attach(of.execution:id(), {
    stdout_offset = step:number("stdout_offset"), stderr_offset = step:number("stderr_offset"), window = step:number("window"),
    from_now = step:flag("from_now"), observe = step:flag("observe"),
  })
  execution:id()
  self.watched[step:text("as")] = watched(execution, of.lease)
  say("attached " .. step:text("as"))
end

function Replay:do_read(step)
  local of, count, stream = self:exec(step), step:number("bytes"), step:text("stream", "stdout")
  while of.sizes[stream] < count and of:take() do end
  say(("%s %s %s"):format(step:text("exec"), stream, shown(of:cut(stream, count))))
end

function Replay:do_finish(step)
  local name, of = step:text("exec"), self:exec(step)
  local is_ended, problem = task.try(function()
    while of:take() do end
  end)
  if not is_ended and not errors.is(problem) then
    error(problem, 0)
  end
  for _, stream in ipairs(STREAMS) do
    if of.sizes[stream] > 0 then
      say(("%s %s %s"):format(name, stream, shown(of:cut(stream, of.sizes[stream]))))
    end
  end
  for _, stream in ipairs(STREAMS) do
    if of.dropped[stream] > 0 then
      say(("%s dropped %s=%d"):format(name, stream, of.dropped[stream]))
    end
  end
  say(is_ended and ("%s ended %s"):format(name, end_words(of.execution:ended())) or ("%s error %s"):format(name, problem.code))
end

-- What comes, in its order; neighbouring output of one stream is one line.
function Replay:do_events(step)
  local name, execution, wanted = step:text("exec"), self:exec(step).execution, step:number("shown") or math.huge
  local lines, joined, stream, count = {}, {}, nil, 0
  local function add(...)
    table.insert(lines, ("%s %s"):format(name, table.concat({ ... }, " ")))
  end
  local function flush()
    if #joined > 0 then
      add(stream, shown(table.concat(joined)))
    end
    joined = {}
  end
  local is_read, problem = task.try(function()
    while count < wanted do
      local event = execution:next()
      if event == nil or event.type ~= "output" or event.stream ~= stream then
        flush()
      end
      if event == nil then
        add("ended", end_words(execution:ended()))
        return
      elseif event.type == "output" then
        stream = event.stream
        table.insert(joined, event.data)
      elseif event.type == "dropped" then
        add("dropped", ("%s=%d"):format(event.stream, event.bytes))
      else
        add(shown_words(event))
        count = count + 1
      end
    end
  end)
  if not is_read then
    flush()
    add("error", errors.is(problem) and problem.code or error(problem, 0))
  end
  if step:flag("digest") then
    say(("%s events %d crc32=%s"):format(name, #lines, crc32(table.concat(lines, "\n") .. "\n")))
  else
    vim.tbl_map(say, lines)
  end
end

function Replay:do_text(step)
  local name, execution = step:text("exec"), self:exec(step).execution
  local texts = { stdout = "", stderr = "" }
  execution:each_text(function(stream, text)
    texts[stream] = texts[stream] .. text
  end)
  for _, stream in ipairs(STREAMS) do
    if texts[stream] ~= "" then
      say(("%s %s %s"):format(name, stream, shown(texts[stream])))
    end
  end
  say(("%s ended %s"):format(name, end_words(execution:ended())))
end

function Replay:do_input(step)
  self:exec(step).execution:write(step:bytes("data", "repeat"), step:flag("end"))
  say("input " .. step:text("exec"))
end

function Replay:do_signal(step)
  local signal = step:text("signal")
  self:exec(step).execution:signal(tonumber(signal) or signal)
  say("signal " .. step:text("exec"))
end

function Replay:do_cancel(step)
  self:exec(step).execution:cancel()
  say("cancel " .. step:text("exec"))
end

function Replay:do_resize(step)
  self:exec(step).execution:resize(step:number("rows"), step:number("columns"))
  say("resize " .. step:text("exec"))
end

function Replay:do_detach(step)
  self:exec(step).execution:close()
  say("detach " .. step:text("exec"))
end

function Replay:do_executions(step)
  local running, ended = 0, 0
  for _, info in ipairs(self:lease(step):executions()) do
    if info.ended then
      ended = ended + 1
    else
      running = running + 1
    end
  end
  say(("executions running=%d ended=%d"):format(running, ended))
end

-- MARK: Contexts

function Replay:do_open_context(step)
  local options = program(step)
  local context = self:lease(step):context(step:text("language"), { cwd = options.cwd, env = options.env, uid = options.uid })
  self.contexts[step:text("as")] = { context = context, lease = step:text("lease") }
  say("opened " .. step:text("as"))
end

function Replay:do_fork_context(step)
  local context = self:context(step):fork()
  self.contexts[step:text("as")] = { context = context, lease = self.contexts[step:text("context")].lease }
  say("forked " .. step:text("as"))
end

function Replay:do_close_context(step)
  self:context(step):close()
  say("closed-context " .. step:text("context"))
end

function Replay:do_contexts(step)
  local contexts = self:lease(step):contexts()
  for _, info in ipairs(contexts) do
    say(("context %s pieces=%d %s"):format(quoted(info.language), info.pieces, info.execution == "" and "idle" or "running"))
  end
  say("contexts " .. #contexts)
end

function Replay:do_complete(step)
  local matches, start, finish = self:context(step):complete(step:text("code", ""), step:number("cursor"))
  local words = ("complete start=%d end=%d"):format(start, finish)
  for _, match in ipairs(matches) do
    words = words .. " " .. quoted(match)
  end
  say(words)
end

function Replay:do_inspect(step)
  local forms = self:context(step):inspect(step:text("code", ""), step:number("cursor"), step:flag("detail"))
  for _, mime in ipairs(sorted_keys(forms or {})) do
    say(("form %s %s"):format(quoted(mime), shown(forms[mime])))
  end
  say("inspected " .. (forms and 1 or 0))
end

-- MARK: Connections

function Replay:do_dial(step)
  local stream = self:lease(step):connect({
    port = step:number("port"), path = step:text("path"), wait = step:number("wait_ms"), timeout = step:number("timeout_ms"),
    idle_timeout = step:number("idle_timeout_ms"), window = step:number("window"),
  })
  self.connected[step:text("as")] = { stream = stream, kept = "" }
  say("dialled " .. step:text("as"))
end

-- What a step's line adds: nothing, or how it failed.
local function sent(stream, data, is_end)
  local is_done, problem = task.try(function()
    stream:write(data, is_end)
  end)
  if is_done then
    return ""
  end
  return (problem.code == "FAILED_PRECONDITION" or problem.code == "NOT_FOUND") and " broken" or " aborted"
end

function Replay:do_send(step)
  local name = step:text("conn")
  say("send " .. name .. sent(self.connected[name].stream, step:bytes("data", "repeat"), step:flag("end")))
end

function Replay:do_receive(step)
  local name = step:text("conn")
  local connected, count = self.connected[name], step:number("bytes") or math.huge
  local pieces, size = { connected.kept }, #connected.kept
  while size < count and not connected.is_over do
    local is_read, found = task.try(function()
      return connected.stream:read()
    end)
    if found and is_read then
      table.insert(pieces, found)
      size = size + #found
    else
      connected.is_over = is_read and "end" or found.code == "ABORTED" and "reset" or "aborted"
    end
  end
  local all = table.concat(pieces)
  count = math.min(count, #all)
  connected.kept = all:sub(count + 1)
  if count > 0 then
    say(("%s received %s"):format(name, shown(all:sub(1, count))))
  end
  if connected.is_over and connected.kept == "" then
    say(("%s %s"):format(name, connected.is_over))
  end
end

function Replay:do_exchange(step)
  local stream, data = self.connected[step:text("conn")].stream, step:bytes("data", "repeat")
  task.spawn(function()
    sent(stream, data, true)
  end)
  self:do_receive(step)
end

function Replay:do_hang_up(step)
  self.connected[step:text("conn")].stream:close()
  say("hung-up " .. step:text("conn"))
end

-- MARK: Files

function Replay:do_write_file(step)
  self:lease(step):write_file(step:text("path"), step:bytes("data", "repeat"), {
    mode = step:octal("mode"), create_parents = step:flag("parents"),
  })
  say("wrote " .. quoted(step:text("path")))
end

function Replay:do_read_file(step)
  local data, info = self:lease(step):read_file(step:text("path"), { offset = step:number("offset"), length = step:number("length") })
  say(("file %s size=%d mode=%04o"):format(quoted(step:text("path")), info.size, info.mode))
  if data ~= "" then
    say("data " .. shown(data))
  end
end

local function info_words(info)
  local size = info.type == "regular" and (" size=%d"):format(info.size) or ""
  return ("%s %s%s mode=%04o"):format(quoted(info.name), info.type, size, info.mode)
end

function Replay:do_list(step)
  local entries = self:lease(step):list_directory(step:text("path"))
  for _, entry in ipairs(entries) do
    say("entry " .. info_words(entry))
  end
  say("listed " .. #entries)
end

function Replay:do_stat(step)
  local info = self:lease(step):stat(step:text("path"), step:flag("follow"))
  say("info " .. info_words(info) .. (info.link_target ~= "" and (" target=" .. quoted(info.link_target)) or ""))
end

function Replay:do_make_directory(step)
  self:lease(step):make_directory(step:text("path"), { mode = step:octal("mode"), parents = step:flag("parents") })
  say("made " .. quoted(step:text("path")))
end

function Replay:do_rename(step)
  self:lease(step):rename(step:text("path"), step:text("to"), step:flag("no_replace"))
  say("renamed " .. quoted(step:text("path")))
end

function Replay:do_change_mode(step)
  self:lease(step):change_mode(step:text("path"), step:octal("mode"))
  say("changed " .. quoted(step:text("path")))
end

function Replay:do_remove(step)
  self:lease(step):remove(step:text("path"), step:flag("recursive"))
  say("removed " .. quoted(step:text("path")))
end

function Replay:do_read_archive(step)
  self.archives[step:text("as")] = self:lease(step):read_archive(step:text("path"))
  say("archive " .. step:text("as"))
end

function Replay:do_write_archive(step)
  local files = self:lease(step):write_archive(step:text("path"), self.archives[step:text("archive")])
  say("unpacked files=" .. files)
end

-- MARK: The world, and the way through the file

function Replay:do_world(step)
  say("@" .. step:text("action"))
  if #answers.lines == 0 and not answers.is_over then
    task.await(function(resume)
      answers.resume = resume
    end)
  end
  if table.remove(answers.lines, 1) == nil then
    error("stdin has ended while the world was to change", 0)
  end
end

local function read_answers()
  local input = vim.loop.new_pipe(false)
  input:open(0)
  input:read_start(function(_, data)
    answers.rest = answers.rest .. (data or "")
    for line in answers.rest:gmatch("([^\n]*)\n") do
      table.insert(answers.lines, line)
    end
    answers.rest = answers.rest:match("[^\n]*$")
    answers.is_over = data == nil
    local resume = answers.resume
    answers.resume = nil
    if resume then
      resume()
    end
  end)
  return input
end

local function main(path, wanted)
  local name, steps
  for line in io.lines(path) do
    line = vim.trim(line)
    if vim.startswith(line, "scenario ") then
      name, steps = line:match("^scenario (%S+)"), {}
    elseif line == "end" then
      if #wanted == 0 or vim.tbl_contains(wanted, name) then
        say("scenario " .. name)
        local replay = new_replay()
        for _, step in ipairs(steps) do
          replay:perform(parse(step))
        end
        for _, client in pairs(replay.clients) do
          client:close()
        end
        say("end")
      end
    elseif line ~= "" and not line:match("^[#=]") then
      table.insert(steps, line)
    end
  end
end

local input = read_answers()
local wanted = vim.split(os.getenv("BERTH_ARGUMENTS"), " ", { plain = true })
local path = table.remove(wanted, 1)
task.spawn(function()
  main(path, wanted)
end, function(is_done, problem, thread)
  if not is_done then
    io.stderr:write(debug.traceback(thread, tostring(problem)), "\n")
  end
  input:close()
  vim.schedule(function()
    vim.cmd(is_done and "qall!" or "cquit")
  end)
end)
