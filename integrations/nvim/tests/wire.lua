-- SPDX-License-Identifier: Apache-2.0

-- Bytes: the shared vectors, what a proto file can say, and what must not be taken.

local addresses = require("berth.address")
local codec = require("berth.codec")
local frames = require("berth.frames")
local harness = require("tests.harness")
local messages = require("berth.messages")
local text = require("berth.text")

local equal, matches, test = harness.equal, harness.matches, harness.test

local function hex(data)
  return (data:gsub(".", function(character)
    return ("%02x"):format(character:byte())
  end))
end

local function unhex(words)
  return (words:gsub("%s", ""):gsub("%x%x", function(pair)
    return string.char(tonumber(pair, 16))
  end))
end

-- What the client sends and what the server sends, by name.
local function vectors()
  local found, name, list = {}, nil, nil
  for line in io.lines("../../proto/vectors/recorded.txt") do
    line = line:gsub("#.*", "")
    local side, data = line:match("^([CS])>[CS](.*)")
    if vim.startswith(line, "vector ") then
      name = vim.trim(line:sub(8))
      found[name] = { C = {}, S = {} }
    elseif side then
      list = found[name][side]
      table.insert(list, unhex(data))
    elseif vim.trim(line) ~= "" then
      list[#list] = list[#list] .. unhex(line)
    end
  end
  return found
end

local function fed(pieces)
  local decoder, result = frames.decoder(), {}
  for _, piece in ipairs(pieces) do
    equal(decoder:feed(piece, function(stream, kind, flags, data)
      table.insert(result, { stream, kind, flags, hex(data) })
    end), nil)
  end
  return result
end

test("a unary request is what Go sends", function()
  local vector = vectors()["unary call with time-out and metadata"]
  local request = messages.Request:decode(vector.C[1]:sub(frames.HEADER_SIZE + 1))
  equal(hex(frames.encode(1, 1, 0, messages.Request:encode(request))), hex(vector.C[1]))
  equal(request.timeout_nano, 4999928574)
  local body = frames.request(request.service, request.method, request.payload, request.timeout_nano / 1e6)
  request.metadata = {}
  equal(hex(body), hex(messages.Request:encode(request)))
  equal(hex(messages.Response:decode(vector.S[1]:sub(frames.HEADER_SIZE + 1)).payload), "0a076c656173652d31")
end)

test("frames come whole, byte by byte and in random pieces", function()
  local seed = os.time()
  math.randomseed(seed)
  local count = 0
  for name, sides in pairs(vectors()) do
    for _, list in pairs(sides) do
      local all, expected = table.concat(list), {}
      for _, frame in ipairs(list) do
        vim.list_extend(expected, fed({ frame }))
      end
      equal(#expected, #list)
      local singly, randomly, position = {}, {}, 1
      for index = 1, #all do
        singly[index] = all:sub(index, index)
      end
      while position <= #all do
        local length = math.random(12)
        table.insert(randomly, all:sub(position, position + length - 1))
        position = position + length
      end
      for _, pieces in ipairs({ { all }, singly, randomly }) do
        equal(fed(pieces), expected, ("%s, seed %d"):format(name, seed))
      end
      count = count + #list
    end
  end
  equal(count > 10, true)
end)

test("a frame that is too long is refused before its bytes come", function()
  matches(frames.decoder():feed("\0\64\0\1\0\0\0\1\2\0", error), "4194305 bytes")
end)

test("a request over 4 MiB is refused here", function()
  local problem = harness.raised(function()
    frames.request("s", "m", ("x"):rep(4 * 2 ^ 20))
  end)
  equal(problem.code, "RESOURCE_EXHAUSTED")
end)

test("every kind of number comes back as it went", function()
  local types = {}
  types.All = codec.message(types, "All", {
    { 1, "u32", "uint32" }, { 2, "i32", "int32" }, { 3, "u64", "uint64" }, { 4, "i64", "int64" }, { 5, "flag", "bool" },
    { 6, "list", "uint64", "repeated" }, { 7, "map", "uint64", "map" }, { 8, "one", "uint32", "optional" },
    { 9, "self", "All", "optional" },
  })
  local empty = { u32 = 0, i32 = 0, u64 = 0, i64 = 0, flag = false, list = {}, map = {} }
  equal(types.All:encode(empty), "")
  equal(types.All:decode(""), empty)
  for _, values in ipairs({
    { 1, 1, 1, 1 }, { 2 ^ 32 - 1, 2 ^ 31 - 1, 2 ^ 53, 2 ^ 53 }, { 128, -1, 2 ^ 35, -1 }, { 300, -2 ^ 31, 127, -2 ^ 53 },
  }) do
    local message = {
      u32 = values[1], i32 = values[2], u64 = values[3], i64 = values[4], flag = true, list = { 0, values[3] },
      map = { a = values[3] }, one = 0, self = empty,
    }
    equal(types.All:decode(types.All:encode(message)), message)
  end
  equal(hex(types.All:encode({ i32 = -1 })), "10ffffffffffffffffff01")
end)

test("packed numbers, unknown fields and numbers with a fraction are read", function()
  local types = {}
  types.New = codec.message(types, "New", { { 1, "list", "uint32", "repeated" }, { 2, "rate", "double" } })
  -- A list in one piece and alone, a field 100 of each wire type, and 0.1.
  local data = unhex("0a03 01 8002  08 07  a006 05  a206 02 6869  a106 0000000000000000  a506 00000000  11 9a9999999999b93f")
  equal(types.New:decode(data), { list = { 1, 256, 7 }, rate = 0.1 })
  equal(types.New:decode(unhex("11 0000000000000000")), { list = {}, rate = 0 })
  equal(types.New:decode(unhex("11 000000000000f0bf")), { list = {}, rate = -1 })
end)

test("what is no message is a decode error, wherever it is cut", function()
  local whole = messages.ExecuteEvent:encode({ output = { stream = 1, offset = 300, data = "hello" } })
  for length = 1, #whole - 1 do
    local problem = harness.raised(function()
      messages.ExecuteEvent:decode(whole:sub(1, length))
    end)
    equal(codec.is_decode_error(problem), true)
  end
  for _, bad in ipairs({ "\0\1", "\15\1", "\8" .. ("\255"):rep(11) }) do
    equal(codec.is_decode_error(harness.raised(function()
      messages.ExecuteEvent:decode(bad)
    end)), true)
  end
end)

test("a character that is divided between pieces is held back until it is whole", function()
  local all = "a€b🚢\255x\226\130"
  local expected = "a€b🚢\239\191\189x\239\191\189"
  for size = 1, #all do
    local reader, found = text.reader(), ""
    for position = 1, #all, size do
      local piece = reader:feed(all:sub(position, position + size - 1))
      equal(text.is_valid(piece), true)
      found = found .. piece
    end
    equal(found .. reader:finish(), expected)
  end
  for _, bad in ipairs({ "\192\128", "\237\160\128", "\244\144\128\128", "\224\128\128", "\128" }) do
    equal(text.is_valid(bad), false)
  end
end)

test("addresses are read as the other clients read them", function()
  equal(addresses.parse("localhost:7411"), { host = "localhost", port = 7411 })
  equal(addresses.parse("[::1]:1"), { host = "::1", port = 1 })
  equal(addresses.parse("unix:/run/berth.sock"), { path = "/run/berth.sock" })
  for _, bad in ipairs({ "host", "host:0", "host:65536", "unix:", "a:b:1", "", 7 }) do
    local found, problem = addresses.parse(bad)
    equal(found, nil)
    matches(problem, "use HOST:PORT, such as 127%.0%.0%.1:7411 or %[::1%]:7411, or unix:/path/to/socket")
  end
  matches(select(2, addresses.parse("tls://host:7411")), "Neovim has no TLS: connect to a tunnel")
  matches(select(2, addresses.parse("http://host:80/x")), '"http://host:80/x" is a URL, not an address: use HOST:PORT')
end)
