-- SPDX-License-Identifier: Apache-2.0

-- What decides, without an editor or a server: which output is shown, what keys are, where a trace points, what options are.

local config = require("berth.config")
local cooked = require("berth.ui.cooked")
local harness = require("tests.harness")
local tails = require("berth.ui.tail")
local traceback = require("berth.traceback")

local equal, matches, raised, test = harness.equal, harness.matches, harness.raised, harness.test

-- All that a tail gives, in one string, and how much it left out.
local function drained(tail, lines, bytes)
  local all, left_out = "", 0
  while tail.size > 0 do
    local text, gap = tail:take(lines, bytes)
    assert(text ~= "", "something waits, and nothing is given")
    all, left_out = all .. text, left_out + gap
  end
  return all, left_out
end

test("a tail without bounds gives everything, at most so many lines or bytes at a time", function()
  local tail = tails.new()
  tail:add("one\ntwo\n")
  tail:add("three")
  equal({ tail:take(1, 100) }, { "one\n", 0 })
  equal({ tail:take(5, 5) }, { "two\nt", 0 })
  equal({ tail:take(5, 100) }, { "hree", 0 })
  equal({ tail:take(5, 100) }, { "", 0 })
end)

test("a slice of a tail never divides a character", function()
  for size = 4, 9 do
    local tail = tails.new()
    tail:add("a€b🚢é\n€")
    while tail.size > 0 do
      equal(require("berth.text").is_valid((tail:take(10, size))), true)
    end
  end
end)

test("text is held back until a character is whole, and cleaned when it is looked at", function()
  local text = require("berth.text")
  local all = "a€b🚢\255x\226\130"
  for size = 1, #all do
    local reader, found = text.reader(), ""
    for position = 1, #all, size do
      local piece = reader:hold(all:sub(position, position + size - 1))
      equal(text.is_valid((piece:gsub("\255", ""))), true)
      found = found .. text.clean(piece)
    end
    equal(found .. reader:finish(), "a€b🚢\239\191\189x\239\191\189")
  end
end)

test("a tail keeps the last lines, counts what it leaves out, and holds no more than twice its bytes", function()
  local tail = tails.new(100, 100000)
  local most, total = 0, 0
  for index = 1, 200000 do
    local line = ("line %d\n"):format(index)
    total = total + #line
    tail:add(line)
    most = math.max(most, tail.size)
  end
  equal(most <= 200020, true)
  local all, left_out = drained(tail, 48, 4096)
  equal(#all + left_out, total)
  equal(all:match("^[^\n]*"), "line 199901")
  equal(select(2, all:gsub("\n", "")), 100)
end)

test("a tail of one endless line keeps its last bytes, whole characters", function()
  local tail = tails.new(100, 1000)
  for _ = 1, 60000 do
    tail:add("€")
  end
  local all, left_out = drained(tail, 48, 4096)
  equal(#all + left_out, 180000)
  equal(all, ("€"):rep(#all / 3))
  equal(#all >= 1000, true)
end)

local function one_cell()
  return 1
end

test("a line is edited, and sent whole when Enter is typed", function()
  local line = cooked.new()
  equal({ line:type("ab\127c", one_cell) }, { "ab\b \bc", {} })
  equal({ line:type("é\r", one_cell) }, { "é\n", { { "send", "acé\n" } } })
  equal({ line:type("xé\127\127\127y\r", one_cell) }, { "xé\b \b\b \by\n", { { "send", "y\n" } } })
  equal(select(2, line:type("ab\21c\r", one_cell)), { { "send", "c\n" } })
end)

test("Ctrl-D ends the input, or sends what is typed; Ctrl-C interrupts; other keys and answers are nothing", function()
  local line = cooked.new()
  equal({ line:type("\27[A", one_cell) }, { "", {} })
  equal({ line:type("\27[?1;2c", one_cell) }, { "", {} })
  equal(select(2, line:type("ab\4\4\3", one_cell)), { { "send", "ab" }, { "end" }, { "interrupt" } })
end)

test("a password is not shown, and what follows it is", function()
  local line = cooked.new()
  line.hides = true
  equal({ line:type("secret\127\r", one_cell) }, { "\n", { { "send", "secre\n" } } })
  equal({ line:type("x", one_cell) }, { "x", {} })
end)

test("a Python trace has its frames in order, and the error where the code that was given went wrong", function()
  local found = traceback.parse(table.concat({
    "some output", "Traceback (most recent call last):", '  File "<string>", line 9, in <module>', '  File "<string>", line 4, in load',
    '  File "/usr/lib/python3.11/json/__init__.py", line 346, in loads', "    return _default_decoder.decode(s)", "           ^^^^",
    "json.decoder.JSONDecodeError: Expecting value: line 1", "",
  }, "\n"))
  equal(found, {
    { name = "<string>", line = 9, within = "<module>", text = "" },
    { name = "<string>", line = 4, within = "load", text = "json.decoder.JSONDecodeError: Expecting value: line 1", is_error = true },
    { name = "/usr/lib/python3.11/json/__init__.py", line = 346, within = "loads", text = "return _default_decoder.decode(s)" },
  })
end)

test("of several traces the last one counts, colours and carriage returns are nothing, an error needs no words", function()
  local found = traceback.parse('Traceback (most recent call last):\n  File "<string>", line 1, in <module>\nValueError: a\n\n'
    .. 'Traceback (most recent call last):\r\n  \27[31mFile "<string>", line 2, in <module>\27[0m\r\nKeyboardInterrupt\r\n')
  equal(found, { { name = "<string>", line = 2, within = "<module>", text = "KeyboardInterrupt", is_error = true } })
end)

test("a syntax error and errors of shells, Lua, Perl and Node have their lines", function()
  for text, place in pairs({
    ['  File "<string>", line 2\n    x = = 1\n        ^\nSyntaxError: invalid syntax'] = { 2, "SyntaxError: invalid syntax" },
    ["sh: 3: frob: not found"] = { 3, "frob: not found" }, ["bash: line 4: frob: command not found"] = { 4, "frob: command not found" },
    ["lua: stdin:5: boom"] = { 5, "boom" }, ["Died at - line 6."] = { 6, "Died" },
    ["[stdin]:2\nfoo.bar()\n^\n\nReferenceError: foo is not defined\n    at [stdin]:2:1"] = { 2, "ReferenceError: foo is not defined" },
    ["sh: 2: eval: frob: not found"] = { 2, "eval: frob: not found" },
  }) do
    local found = traceback.parse(text .. "\n")
    equal({ #found, found[1].name, found[1].line, found[1].text, found[1].is_error }, { 1, "<string>", place[1], place[2], true })
  end
  equal(traceback.parse("ReferenceError: foo is not defined\n    at f (piece 12:7:1)\n    at piece 13:1:1\n"),
    { { name = "<piece 12>", line = 7, text = "ReferenceError: foo is not defined", is_error = true } })
  equal(traceback.parse("nothing: here\nsh: is fine\n"), {})
end)

test("places in pieces of code become what they are in a buffer, and others stay", function()
  local trace = {
    "Traceback (most recent call last):", '  File "<piece 9>", line 1, in <module>', '    File "<piece 7>", line 2',
    '  File "/x.py", line 1', "    at f (piece 7:2:9)", "    at piece 9:1:1", "piece 9:1", "Error: piece 9:1:1",
    '  File "<piece 3>", line 4',
  }
  equal(traceback.newest_piece(trace), 9)
  equal(traceback.newest_piece({ "Error: no" }), nil)
  local placed = vim.tbl_map(function(line)
    return traceback.placed(line, function(name, number)
      if name ~= "<piece 3>" then
        return name == "<piece 9>" and "a b.py" or "c.py", number + 10
      end
    end)
  end, trace)
  equal(placed, {
    trace[1], '  File "a b.py", line 11, in <module>', '    File "c.py", line 12', '  File "/x.py", line 1', "    at f (c.py:12:9)",
    "    at a b.py:11:1", "a b.py:11", "Error: piece 9:1:1", '  File "<piece 3>", line 4',
  })
end)

test("setup names the option that is wrong, and changes nothing then", function()
  config.set({ pool = "before" })
  for words, options in pairs({
    ["no option sever; there are cwd, env, languages, pool"] = { sever = "x" }, ["no option window.hight"] = { window = { hight = 1 } },
    ['server must be an address: "localhost" is not an address'] = { server = "localhost" }, ["window must be a table"] = { window = 15 },
    ["timeout must be whole seconds, 1 to 86400; it is %-1"] = { timeout = -1 }, ["quickfix must be true or false"] = { quickfix = 1 },
    ["window.position must be one of below, above"] = { window = { position = "under" } }, ["env must be a table"] = { env = { A = 1 } },
    ["languages must be a table: by file type"] = { languages = { python = 1 } }, ["takes a table of options"] = "pool",
  }) do
    matches(raised(function()
      config.set(options)
    end), words)
    equal(config.options.pool, "before")
  end
  config.set({ window = { size = 20 }, languages = { perl = false, go = { "go", "run", "-" } } })
  equal({ config.options.pool, config.options.window.size, config.options.window.position }, { "", 20, "below" })
  equal({ config.options.languages.perl, config.options.languages.python }, { false, "python" })
end)
