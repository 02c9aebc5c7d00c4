-- SPDX-License-Identifier: Apache-2.0

-- The client against a real server (BERTH_SERVER), and against doubles where a real one can't be made to misbehave. What all
-- clients have in common is in proto/vectors/scenarios.txt.

local client_of = require("berth.client")
local errors = require("berth.errors")
local frames = require("berth.frames")
local harness = require("tests.harness")
local limits_of = require("berth.limits")
local messages = require("berth.messages")
local task = require("berth.task")

local equal, matches, raised, test = harness.equal, harness.matches, harness.raised, harness.test
local uv = vim.loop

local folder, count = vim.fn.tempname(), 0

-- A server of our own, at a unix socket: `serve(socket, stream, method, payload, metadata)` is called for each request.
local function double(serve)
  count = count + 1
  local path = ("%s-%d"):format(folder, count)
  local listener = uv.new_pipe(false)
  assert(listener:bind(path))
  listener:listen(8, function()
    local socket, decoder = uv.new_pipe(false), frames.decoder()
    listener:accept(socket)
    socket:read_start(function(_, data)
      if data == nil then
        socket:close()
        return
      end
      decoder:feed(data, function(stream, _, _, body)
        local request = messages.Request:decode(body)
        serve(socket, stream, request.method, request.payload, request.metadata)
      end)
    end)
  end)
  return "unix:" .. path
end

local function answer(socket, stream, message)
  socket:write(frames.encode(stream, frames.RESPONSE, 0, messages.Response:encode(message)))
end

local function send(socket, stream, event)
  socket:write(frames.encode(stream, frames.DATA, 0, messages.ExecuteEvent:encode(event)))
end

test("a server is found by its host's name", function()
  local client = client_of.new({ address = os.getenv("BERTH_SERVER"):gsub("127.0.0.1", "localhost") })
  matches(client:hello().version, "^berth/")
  client:close()
end)

test("a name that is not known is said so, when the connect time-out has passed", function()
  local problem = raised(function()
    client_of.new({ address = "no-such-host.invalid:1", connect_timeout = 200 }):hello()
  end)
  equal(problem.code, "UNAVAILABLE")
  matches(problem.message, "its name is not known")
end)

test("a server at a unix socket is spoken to, and its errors say their reason", function()
  local address = double(function(socket, stream, method)
    if method == "Hello" then
      answer(socket, stream, { payload = messages.HelloResponse:encode({ server = "double", pools = { "one", "two" } }) })
    else
      local info = messages.ErrorInfo:encode({ reason = "NO_SUCH_POOL", domain = "berth.dev", metadata = { pool = "x" } })
      local any = { type_url = "type.googleapis.com/google.rpc.ErrorInfo", value = info }
      answer(socket, stream, { status = { code = 5, message = "no", details = { any } } })
    end
  end)
  local client = client_of.new({ address = address })
  equal(client:hello(), { version = "double", pools = { "one", "two" } })
  local problem = raised(function()
    client:acquire()
  end)
  equal({ problem.code, problem.reason, problem.metadata }, { "NOT_FOUND", "NO_SUCH_POOL", { pool = "x" } })
  client:close()
end)

test("a token of the environment, or of a file that it names, goes with every request to this machine, and nowhere else", function()
  local seen = {}
  local address = double(function(socket, stream, _, _, metadata)
    seen[#seen + 1] = metadata[1] and metadata[1].key .. ": " .. metadata[1].value or "none"
    answer(socket, stream, { payload = messages.HelloResponse:encode({ server = "double" }) })
  end)
  local function hello(wanted)
    local client = client_of.new({ address = address })
    client:hello()
    client:close()
    -- Each connection has a Hello of its own before the one that was asked for.
    equal(seen, { wanted, wanted })
    seen = {}
  end
  task.main()
  hello("none")
  task.main()
  vim.fn.writefile({ "of-the-file" }, folder .. "-token")
  vim.env.BERTH_TOKEN_FILE = folder .. "-token"
  hello("authorization: Bearer of-the-file")
  task.main()
  vim.env.BERTH_TOKEN = "of-the-environment"
  hello("authorization: Bearer of-the-environment")
  task.main()
  local is_made, why = pcall(client_of.new, { address = "10.0.0.1:7411" })
  equal(is_made, false)
  matches(why, "without TLS")
  vim.env.BERTH_TOKEN = "two words"
  is_made, why = pcall(client_of.new, { address = address })
  equal(is_made, false)
  matches(why, "BERTH_TOKEN is no token")
  vim.env.BERTH_TOKEN, vim.env.BERTH_TOKEN_FILE = nil, nil
end)

test("a server that speaks TLS is told from one that does not", function()
  local address = double(function(socket)
    socket:write("\21\3\3\0\2\2\70")
  end)
  local client = client_of.new({ address = address })
  local problem = raised(function()
    client:hello()
  end)
  equal(problem.code, "UNAVAILABLE")
  matches(problem.message, "it speaks TLS")
  client:close()
end)

test("why a server takes no connection, which it says to the first Hello alone, is why a call failed", function()
  local hellos, is_full = 0, true
  local address = double(function(socket, stream, method)
    hellos = hellos + (method == "Hello" and 1 or 0)
    if is_full or hellos > 3 then
      answer(socket, stream, { status = { code = 8, message = "the server has as many connections as it may have (1)" } })
      socket:shutdown()
      hellos = is_full and 0 or hellos
    elseif method == "Hello" then
      answer(socket, stream, { payload = messages.HelloResponse:encode({ server = "double" }) })
    end
  end)
  local client = client_of.new({ address = address })
  local problem = raised(function()
    client:acquire()
  end)
  equal({ problem.code, problem.message }, { "RESOURCE_EXHAUSTED", "the server has as many connections as it may have (1)" })
  problem = raised(function()
    client:run({ argv = { "true" } })
  end)
  equal(problem.code, "RESOURCE_EXHAUSTED")
  -- What one call was told later is not why the connection ended.
  is_full = false
  client:hello()
  client:hello()
  equal(raised(function()
    client:hello()
  end).code, "RESOURCE_EXHAUSTED")
  harness.eventually("the connection has ended", function()
    return client.connection.problem
  end)
  equal(client.connection.problem.code, "UNAVAILABLE")
  client:close()
end)

test("a server that says nothing is asked whether it is there, and then given up", function()
  local asked = {}
  local address = double(function(_, _, method)
    table.insert(asked, method)
  end)
  local client = client_of.new({ address = address, keepalive = 200 })
  local problem = raised(function()
    client:run({ argv = { "true" } })
  end)
  equal(problem.code, "UNAVAILABLE")
  matches(problem.message, "has said nothing for 200 ms")
  equal(asked, { "Hello", "Execute", "Hello" })
  client:close()
end)

test("a server that answers a call with nonsense ends the call or the connection, not the editor", function()
  local bodies = { frames.encode(3, frames.RESPONSE, 0, "\15"), "GET / HTTP/1.1\r\n\r\n", frames.encode(3, frames.DATA, 0, "\8") }
  for index, body in ipairs(bodies) do
    local address = double(function(socket, stream)
      if stream == 3 then
        socket:write(body)
      end
    end)
    local client = client_of.new({ address = address })
    local problem = raised(function()
      client:execute({ argv = { "true" } }):id()
    end)
    equal(errors.is(problem), true)
    equal(problem.code, index == 3 and "INTERNAL" or "UNAVAILABLE")
    client:close()
  end
end)

test("a server that keeps to no window is given up before it fills the memory", function()
  local calls = {}
  local address = double(function(socket, stream, method)
    table.insert(calls, method)
    if method == "Execute" then
      send(socket, stream, { started = { execution = "e", watcher = 1 } })
      for index = 0, 299 do
        send(socket, stream, { output = { offset = index * 32768, data = ("x"):rep(32768) } })
      end
    end
  end)
  local client = client_of.new({ address = address })
  local execution = client:execute({ argv = { "yes" } })
  harness.eventually("the stream is given up", function()
    return execution.watch.is_given_up
  end)
  matches(raised(function()
    while execution:next() do end
  end).message, "more than its window allows")
  harness.eventually("the server is told", function()
    return calls[#calls] == "Detach"
  end)
  client:close()
end)

test("credit goes back at a quarter of the window or 30 events, and not before", function()
  local acknowledged = {}
  local address = double(function(socket, stream, method, payload)
    if method == "Execute" then
      send(socket, stream, { started = { execution = "e", watcher = 7 } })
      for index = 0, 29 do
        send(socket, stream, { output = { offset = index, data = "x" } })
      end
      send(socket, stream, { output = { offset = 30, data = ("y"):rep(16384) } })
    elseif method == "Acknowledge" then
      table.insert(acknowledged, messages.AcknowledgeRequest:decode(payload))
    end
  end)
  local client = client_of.new({ address = address, window = 65536 })
  local execution = client:execute({ argv = { "true" } })
  for _ = 1, 29 do
    execution:next()
  end
  equal(#acknowledged, 0)
  execution:next()
  execution:next()
  harness.eventually("both are acknowledged", function()
    return #acknowledged == 2
  end)
  equal({ acknowledged[1].stdout_offset, acknowledged[1].watcher, acknowledged[2].stdout_offset }, { 30, 7, 16414 })
  client:close()
end)

test("what is passed wrongly is named before anything is sent", function()
  local client = client_of.new()
  for words, options in pairs({
    ["exactly one of argv, shell and code"] = { argv = { "a" }, shell = "b" }, ['"argv0" is no option'] = { shell = "a", argv0 = "b" },
    ["argv%[2%] must be a string"] = { argv = { "a", 1 } }, ["timeout must be milliseconds"] = { shell = "a", timeout = -1 },
    ["a window has 65536 to 1048576 bytes"] = { shell = "a", window = 1 },
  }) do
    matches(raised(function()
      client:execute(options)
    end), words)
  end
end)

test("calls that are made at once share one connection, and a deadline bounds the wait for it", function()
  local client = client_of.new()
  local found = {}
  for _ = 1, 5 do
    task.spawn(function()
      table.insert(found, client:stats().connections)
    end)
  end
  harness.eventually("all have their answer", function()
    return #found == 5
  end)
  equal(found, { 1, 1, 1, 1, 1 })
  client:close()
  local began = limits_of.now()
  local problem = raised(function()
    client_of.new({ address = "127.0.0.1:1", connect_timeout = 10000 }):hello({ deadline = 50 })
  end)
  equal(problem.code, "DEADLINE_EXCEEDED")
  equal(limits_of.now() - began < 2000, true)
end)

test("a context is copied with what it holds, and from then on they are two", function()
  local client = client_of.new()
  local lease = client:acquire()
  local context = lease:context("python")
  context:run("x = [1]")
  local copy = context:fork()
  copy:run("x.append(2)")
  equal({ context:run("x").value, copy:run("x").value }, { "[1]", "[1, 2]" })
  lease:release()
  client:close()
end)

test("the README's example prints what it should", function()
  local readme = io.open("README.md"):read("*a")
  local code = readme:match("\n## From Lua\n\n```lua\n(.-)\n```")
  local printed = {}
  local example = assert(loadstring(code))
  setfenv(example, setmetatable({
    print = function(...)
      table.insert(printed, table.concat({ ... }, " "))
    end,
  }, { __index = _G }))
  example()
  harness.eventually("all is printed", function()
    return table.concat(printed, "|") == "hello\n|stdout 1\n2\n3\n"
  end)
end)
