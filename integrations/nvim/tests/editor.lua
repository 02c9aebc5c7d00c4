-- SPDX-License-Identifier: Apache-2.0

-- The commands in an editor without a window, against a real server (BERTH_SERVER). Keys and colours: tests/terminal.py.

local berth = require("berth")
local client_of = require("berth.client")
local harness = require("tests.harness")
local runs = require("berth.run")
local screens = require("berth.ui.screen")
local store = require("berth.store")
local task = require("berth.task")

local equal, eventually, matches, test = harness.equal, harness.eventually, harness.matches, harness.test

vim.cmd("runtime plugin/berth.lua")
vim.o.hidden = true

local said = {}
vim.notify = function(words)
  table.insert(said, words)
end

-- A window with a buffer of its own, and nothing else.
local function edit(text, filetype)
  task.main()
  for _, screen in ipairs(screens.all()) do
    screen:wipe()
  end
  eventually("what ran before has ended", function()
    return #runs.running == 0
  end)
  vim.cmd("silent only!")
  vim.cmd("enew!")
  vim.api.nvim_buf_set_lines(0, 0, -1, false, vim.split(text, "\n", { plain = true }))
  vim.bo.filetype = filetype or ""
  said = {}
  vim.fn.setqflist({})
  berth.setup({ window = { size = 8 } })
  return vim.api.nvim_get_current_buf()
end

local function the_screen()
  local all = screens.all()
  equal(#all, 1, "screens")
  return all[1]
end

local function text_of(screen)
  return (table.concat(vim.api.nvim_buf_get_lines(screen.buffer, 0, -1, false), "\n"):gsub("\n+$", ""))
end

local function mark_of(screen)
  local marks = vim.api.nvim_buf_get_extmarks(screen.buffer, vim.api.nvim_create_namespace("berth"), 0, -1, { details = true })
  local mark = marks[#marks]
  return mark and { line = mark[2], words = mark[4].virt_text[1][1], group = mark[4].virt_text[1][2] }
end

local function awaited(pattern)
  local screen = the_screen()
  eventually(("%q is shown in\n%s"):format(pattern, text_of(screen)), function()
    return text_of(screen):find(pattern)
  end)
  return screen
end

-- Waits until this and nothing else is shown: a terminal is drawn a little after it was told what.
local function shows(screen, text)
  eventually(("%q is shown, and not\n%s"):format(text, text_of(screen)), function()
    return text_of(screen) == text
  end)
  local lines = #vim.split(text, "\n")
  eventually("the end is below the text", function()
    local mark = mark_of(screen)
    return mark and mark.line == lines
  end)
end

local function ended(screen)
  eventually("the program has ended", function()
    return screen.mark and not screen.is_busy
  end)
  return screen
end

-- Runs a command, and waits for its program's end.
local function ran(command)
  vim.cmd(command)
  return ended(the_screen())
end

local function executions()
  local client = client_of.new()
  local count = client:stats().executions
  client:close()
  task.main()
  return count
end

local function nothing_runs()
  local due = vim.loop.hrtime() + 10e9
  while executions() > 0 do
    assert(vim.loop.hrtime() < due, "a program still runs in the server")
  end
end

test(":BerthRun runs the buffer by its file type, and its end, exit code and time are virtual text", function()
  edit("import sys\nprint('hello', sys.argv)\nprint('über €')", "python")
  local screen = ran("BerthRun")
  shows(screen, "hello ['-c']\nüber €")
  local mark = mark_of(screen)
  matches(mark.words, "^✓ exit 0 · %d+ ms$")
  equal({ mark.line, mark.group }, { 2, "BerthOk" })
end)

test("a range is run alone, without the indent that it has as a whole", function()
  edit("raise SystemExit(9)\nif True:\n    for i in range(2):\n        print(i)\n\n    print('end')", "python")
  local screen = ran("3,6BerthRun")
  shows(screen, "0\n1\nend")
end)

test("a shell line is run as it is, and a range is its standard input", function()
  edit("b\na\nc")
  shows(ran([[BerthRun echo "$HOME"; printf '%s' a\|b | tr '|' '\n'; exit 3]]), "/workspace\na\nb")
  matches(mark_of(the_screen()).words, "^✗ exit 3 · ")
  matches(the_screen().words, "^exit 3 · [%d.]+ m?s$")
  equal(mark_of(the_screen()).group, "BerthFailed")
  shows(ran("1,2BerthRun sort; cat"), "a\nb")
end)

test("a buffer whose language is a program is its standard input", function()
  edit("print 6 * 7, \"\\n\";\ndie 'oh'", "perl")
  ran("BerthRun")
  -- Two streams: either may come first.
  awaited("oh at %- line 2%.")
  awaited("42")
  local list = vim.fn.getqflist()
  equal({ list[1].lnum, list[1].text }, { 2, "oh" })
end)

test("a buffer of a type that nobody named a language for is refused, in words that help", function()
  edit("x", "cobol")
  vim.cmd("BerthRun")
  equal(#screens.all(), 0)
  matches(said[1], '^berth: there is no language for the file type "cobol": name one in setup')
end)

test("a trace is in the quickfix list, at the buffer's lines, with the error as the current one", function()
  local buffer = edit("# one\n# two\nimport json\ndef load(text):\n    return json.loads(text)\nload('x')", "python")
  ran("3,6BerthRun")
  awaited('File "<string>", line 6, in <module>\n.*File "<string>", line 5, in load\n')
  local list = vim.fn.getqflist({ items = 0, idx = 0, title = 0 })
  equal({ list.items[1].bufnr, list.items[1].lnum, list.items[1].text }, { buffer, 6, "load('x')" })
  equal({ list.items[2].bufnr, list.items[2].lnum, list.items[2].type, list.idx }, { buffer, 5, "E", 2 })
  matches(list.items[2].text, "^json.decoder.JSONDecodeError: Expecting value")
  equal(list.items[3].valid, 0)
  matches(list.items[3].text, "json/__init__.py:%d+: in loads: ")
  vim.cmd("cc")
  equal(vim.api.nvim_win_get_cursor(0)[1], 5)
end)

test("the example says how far it has come, and where it goes wrong", function()
  edit(table.concat(vim.fn.readfile("example/primes.py"), "\n"), "python")
  ran("BerthRun")
  awaited("^  20 8 primes\n  40 12 primes\n  60 17 primes\n  80 22 primes\nTraceback")
  equal(vim.tbl_map(function(item)
    return { item.lnum, item.text }
  end, vim.fn.getqflist()), { { 14, "NameError: name 'missing' is not defined" } })
end)

test("what is written to stderr is red, what has colours of its own is left as it is", function()
  edit("")
  local screen = screens.open("x", require("berth.config").options, false)
  local sent = {}
  local send = vim.api.nvim_chan_send
  vim.api.nvim_chan_send = function(_, data)
    table.insert(sent, data)
  end
  local run = setmetatable({ screen = screen, recent = {}, recent_size = 0 }, { __index = getmetatable(runs.start({
    screen = screens.open("y", require("berth.config").options, false), begin = error, title = "", config = { quickfix = false },
  })).__index })
  run:show_text("stderr", "bad\n")
  run:show_text("stderr", "\27[32mgood\27[0m\n")
  run:show_text("stdout", "plain\n")
  eventually("all is sent", function()
    return screen.tail.size == 0
  end)
  vim.api.nvim_chan_send = send
  matches(table.concat(sent), "\27%[31mbad\27%[39m\r\n\27%[32mgood\27%[0m\r\nplain\r\n")
end)

test("with ! it has a terminal of the window's size, and is told when that changes", function()
  edit("")
  vim.cmd([[BerthRun! stty size; trap 'stty size; exit' WINCH; echo ready; while :; do sleep 0.05; done]])
  local screen = awaited("ready")
  local rows, columns = vim.api.nvim_win_get_height(screen.window), vim.api.nvim_win_get_width(screen.window)
  equal(rows, 8)
  matches(text_of(screen), ("^%d %d\n"):format(rows, columns))
  vim.api.nvim_win_set_height(screen.window, 5)
  awaited(("ready\n5 %d$"):format(columns))
end)

test("what is typed goes to a terminal as keys, and otherwise as a line", function()
  edit("")
  vim.cmd("BerthRun! stty raw -echo; echo ready; head -c 3 | od -An -tx1")
  awaited("ready").run:type("\27[A")
  awaited("1b 5b 41")
  edit("")
  vim.cmd([[BerthRun echo ready; while read line; do echo "[$line]"; done; echo end]])
  local screen = awaited("ready")
  screen.run:type("one\r")
  awaited("one\n%[one%]")
  screen.run:type("x\127twö\r")
  awaited("twö\n%[twö%]")
  screen.run:type("\4")
  awaited("end$")
end)

test(":BerthCancel ends the program, and says so", function()
  edit("")
  vim.cmd("BerthRun echo ready; sleep 600")
  local screen = awaited("ready")
  vim.cmd("BerthCancel")
  eventually("the end is said", function()
    return screen.mark
  end)
  matches(mark_of(screen).words, "^✗ cancelled %(signal 15%)")
  nothing_runs()
  vim.cmd("BerthCancel")
  equal(said, { "berth: nothing runs" })
end)

test("Ctrl-C interrupts, and the second one ends what has not minded the first", function()
  edit("")
  vim.cmd("BerthRun trap 'echo caught' INT; echo ready; while :; do sleep 0.05; done")
  local screen = awaited("ready")
  vim.api.nvim_set_current_win(screen.window)
  vim.api.nvim_feedkeys(vim.api.nvim_replace_termcodes("<C-c>", true, true, true), "x", false)
  awaited("caught")
  screen.run:type("\3")
  eventually("the end is said", function()
    return screen.mark
  end)
  matches(mark_of(screen).words, "^✗ cancelled")
end)

test("wiping the buffer ends the program; what has ended gives its window to the next", function()
  edit("")
  vim.cmd("BerthRun! echo ready; sleep 600")
  local screen = awaited("ready")
  vim.cmd("stopinsert")
  vim.api.nvim_buf_delete(screen.buffer, { force = true })
  nothing_runs()
  edit("")
  local first = ran("BerthRun echo 1")
  local second = ran("BerthRun echo 2")
  equal({ first.window == second.window, vim.api.nvim_buf_is_valid(first.buffer), #vim.api.nvim_list_wins() }, { true, false, 2 })
end)

-- Runs a command in another editor, which ends while its program runs.
local function left_running(command, columns)
  local output = vim.fn.system({
    vim.v.progpath, "--headless", "-u", "NONE", "-i", "NONE", "-n", "--cmd", "set columns=" .. columns, "--cmd",
    "set runtimepath^=" .. vim.fn.getcwd(), "-c", "runtime plugin/berth.lua", "-c", command, "-c", "stopinsert",
    "-c", "lua vim.wait(15000, function() return #require('berth.store').all() == 1 end, 5)", "-c", "qall",
  })
  equal({ output, vim.v.shell_error }, { "", 0 })
  equal(#store.all(), 1)
end

test("a program that an editor has left running is shown by the next one, with all that it wrote", function()
  edit("")
  left_running("BerthRun echo one; read x; echo two $x; exit 4", 80)
  local mode = vim.loop.fs_stat(vim.fn.glob(store.folder() .. "/*.json")).mode % 512
  equal(mode, tonumber("600", 8))
  vim.cmd("BerthAttach")
  local screen = awaited("one")
  screen.run:type("again\r")
  awaited("one\nagain\ntwo again$")
  eventually("the end is said", function()
    return screen.mark
  end)
  matches(mark_of(screen).words, "^✗ exit 4")
  equal(#store.all(), 0)
  vim.cmd("BerthAttach")
  equal(said, { "berth: no program is left to attach to" })
end)

test("a program with a terminal that is left running is told the size of the window that shows it again", function()
  edit("")
  left_running("BerthRun! trap 'stty size' WINCH; echo ready; while :; do sleep 0.05; done", 100)
  vim.cmd("BerthAttach")
  local screen = awaited("ready")
  awaited(("\n8 %d"):format(vim.api.nvim_win_get_width(screen.window)))
  vim.cmd("stopinsert")
  vim.cmd("BerthCancel")
  ended(screen)
  equal(#store.all(), 0)
end)

test("a program whose connection is lost is followed on another, without a gap, and takes input where it was", function()
  edit("")
  vim.cmd([[BerthRun echo one; read x; echo "two $x"; read x; echo "three $x"]])
  local screen = awaited("one")
  screen.run:type("first\r")
  awaited("one\nfirst\ntwo first$")
  berth.client().connection:lose("it was cut")
  eventually("it is attached again", function()
    return screen.run.is_attached and screen.run.execution.watch.execution
  end)
  screen.run:type("second\r")
  shows(ended(screen), "one\nfirst\ntwo first\nsecond\nthree second")
end)

test("what is remembered and too old to be there still is forgotten", function()
  store.keep({ server = "x", execution = "old", title = "old", started = os.time() - 3 * 24 * 3600, kind = "lines" })
  equal({ #store.all(), vim.fn.glob(store.folder() .. "/*.json") }, { 0, "" })
end)

test("of several programs that are left one is chosen, and one that is gone is said to be and forgotten", function()
  edit("")
  for index, title in ipairs({ "one", "two" }) do
    store.keep({
      server = os.getenv("BERTH_SERVER"), execution = "gone-" .. index, title = title, started = os.time() - index * 200, kind = "lines",
    })
  end
  local select = vim.ui.select
  local offered = {}
  vim.ui.select = function(entries, options, choose)
    offered = vim.tbl_map(options.format_item, entries)
    choose(entries[2])
  end
  vim.cmd("BerthAttach")
  vim.ui.select = select
  equal(offered, { "one (started 3 min ago)", "two (started 6 min ago)" })
  local screen = the_screen()
  eventually("the end is said", function()
    return screen.mark and not screen.is_busy
  end)
  matches(mark_of(screen).words, "^✗ not found$")
  equal(#store.all(), 1)
  store.forget("gone-1")
end)

test("a session keeps variables, shows values, and its traces are in the quickfix list", function()
  local buffer = edit("x = 6\n\nx * 7\n\ndef f():\n    return x / 0\n\nf()", "python")
  vim.api.nvim_buf_set_name(buffer, vim.fn.getcwd() .. "/example/session.py")
  -- What is run before the session's container is there waits for it.
  vim.cmd("BerthSession")
  ran("1BerthRun")
  equal(said[1], "berth: a session is open: variables stay from run to run")
  ran("3BerthRun")
  ran("5,6BerthRun")
  local screen = ran("8BerthRun")
  awaited("\n42\n.*\nZeroDivisionError: division by zero$")
  awaited('\n  File "example/session.py", line 8, in <module>\n    f%(%)\n  File "example/session.py", line 6, in f\n')
  local list = vim.fn.getqflist({ items = 0, idx = 0 })
  equal({ list.items[1].bufnr, list.items[1].lnum, list.items[1].text }, { buffer, 8, "f()" })
  equal({ list.items[2].lnum, list.items[2].text, list.idx }, { 6, "ZeroDivisionError: division by zero", 2 })
  local marks = vim.api.nvim_buf_get_extmarks(screen.buffer, vim.api.nvim_create_namespace("berth"), 0, -1, { details = true })
  equal(#marks, 4)
  matches(marks[1][4].virt_text[1][1], "^✓ exit 0")
  matches(marks[4][4].virt_text[1][1], "^✗ exit 1")
end)

test("a session's syntax error, and an error of Node, are at the buffer's lines", function()
  edit("x = 1\n\n  y = = 2", "python")
  ran("3BerthRun")
  awaited('\n  File "%[No Name%]", line 3\n')
  equal(vim.fn.getqflist()[1].lnum, 3)
  vim.cmd("bwipeout!")
  local buffer = edit("// one\nfunction f() {\n  throw new TypeError('no')\n}\nf()", "javascript")
  vim.api.nvim_buf_set_name(buffer, vim.fn.getcwd() .. "/example/session.js")
  ran("2,5BerthRun")
  awaited("TypeError: no\n    at f %(example/session.js:3:9%)\n    at example/session.js:5:1")
  equal(vim.fn.getqflist()[1].lnum, 3)
end)

test("names that the session knows are completed", function()
  edit("value_one = 1; value_two = 2", "python")
  ran("BerthRun")
  vim.bo.omnifunc = "v:lua.require'berth'.omnifunc"
  vim.fn.feedkeys(vim.api.nvim_replace_termcodes("oé = value_t<C-x><C-o>", true, true, true), "tx")
  equal(vim.api.nvim_buf_get_lines(0, 1, 2, false), { "é = value_two" })
  vim.bo.filetype = "text"
  vim.fn.feedkeys(vim.api.nvim_replace_termcodes("oé = value_t<C-x><C-o>", true, true, true), "tx")
  equal(vim.api.nvim_buf_get_lines(0, 2, 3, false), { "é = value_t" })
end)

test("in a session shell lines see its files, a question is answered by a line, and what is shown as a picture is a file", function()
  edit("open('/workspace/note', 'w').write('kept\\n');\nname = input('name? ')\nprint('hello', name)\n"
    .. "display({'image/png': b'PNG!'}, raw=True)", "python")
  vim.cmd("BerthRun")
  local screen = awaited("name%? ?$")
  screen.run:type("bob\r")
  awaited("name%? bob\nhello bob\nimage/png, 4 bytes: /%S+%.png")
  eventually("the end is said", function()
    return screen.mark and not screen.is_busy
  end)
  equal(vim.fn.readfile(text_of(screen):match("bytes: (/%S+png)")), { "PNG!" })
  edit("")
  shows(ran("BerthRun cat /workspace/note"), "kept")
end)

test("a session's interpreter that ends is said to have lost the variables, and the next piece has a new one", function()
  edit("import os; os._exit(3)\nprint(6 * 7)", "python")
  ran("1BerthRun")
  matches(mark_of(the_screen()).words, "exit 3 .* · the session's variables are lost$")
  ran("2BerthRun")
  awaited("42$")
  vim.cmd("BerthSession!")
  eventually("the session has ended", function()
    return said[1] == "berth: the session has ended"
  end)
  vim.cmd("BerthSession!")
  equal(said[2], "berth: there is no session")
  nothing_runs()
end)

test("yes is drawn at most 30 times a second, within the scrollback, and says what is left out", function()
  edit("")
  berth.setup({ scrollback = 500, window = { size = 8 } })
  vim.cmd("BerthRun yes")
  local screen = awaited("^y")
  local turns, most, wait = 0, 0, screen.turn
  screen.turn = function(self)
    turns = turns + 1
    most = math.max(most, vim.api.nvim_buf_line_count(self.buffer))
    return wait(self)
  end
  local began = vim.loop.hrtime()
  task.sleep(2000)
  task.main()
  local seconds = (vim.loop.hrtime() - began) / 1e9
  assert(turns <= 30 * seconds + 1 and turns > 0, ("%d turns in %.2f s"):format(turns, seconds))
  assert(most <= 500 + 8 and most > 400, most .. " lines")
  awaited("⋯ [%d.]+ %a+ not shown ⋯")
  vim.cmd("BerthCancel")
  ended(screen)
end)

test("100 MB end with the right tail, and what was not shown is said", function()
  edit("")
  local function resident()
    return tonumber(table.concat(vim.fn.readfile("/proc/self/status"), "\n"):match("VmRSS:%s+(%d+)"))
  end
  ran("BerthRun seq 1 1000000")
  local before = resident()
  vim.cmd("BerthRun seq 1 12500000")
  local screen, most = the_screen(), 0
  eventually("the program has ended", function()
    most = math.max(most, resident())
    return screen.mark and not screen.is_busy
  end, 50000)
  awaited("\n12500000$")
  local lines = vim.api.nvim_buf_get_lines(screen.buffer, 0, -1, false)
  local last = mark_of(screen).line
  for index = 0, 4900 do
    equal(lines[last - index], tostring(12500000 - index))
  end
  equal(screen.run.offsets.stdout > 100e6, true)
  assert(most - before < 32 * 1024, ("%d KiB more than before"):format(most - before))
end)

test("a program that the kernel killed for memory is said to be, with what there is to say", function()
  edit("x = 'a' * 10 ** 9", "python")
  ran("BerthRun")
  matches(mark_of(the_screen()).words, "^✗ out of memory.* · [%d.]+ m?s · the kernel killed")
  matches(the_screen().words, "^out of memory.* m?s$")
end)

test("a server that is not there is said on the screen", function()
  edit("")
  berth.setup({ server = "127.0.0.1:1" })
  local screen = ran("BerthRun true")
  awaited("no Berth server at 127.0.0.1:1: ")
  equal(mark_of(screen).words, "✗ unavailable")
end)

test(":checkhealth says what answers, and what is wrong with the options", function()
  edit("")
  vim.cmd("checkhealth berth")
  local text = table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, false), "\n")
  matches(text, "OK:? berth/%S+ answers at 127.0.0.1:%d+ %(from BERTH_SERVER%)")
  matches(text, "OK:? a program has run in the pool default, in %d+ ms")
  vim.cmd("bwipeout!")
  berth.setup({ pool = "none" })
  vim.cmd("checkhealth berth")
  matches(table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, false), "\n"), "ERROR:? there is no pool none: the server has default")
  vim.cmd("bwipeout!")
end)

test("the manual has tags for every command, option and function", function()
  vim.cmd("helptags doc")
  for _, tag in ipairs({
    ":BerthRun", ":BerthCancel", ":BerthAttach", ":BerthSession", "berth-options", "berth-lua", "berth-completion", "berth.txt",
  }) do
    vim.cmd("help " .. tag)
    matches(vim.api.nvim_buf_get_name(0), "doc/berth.txt$")
    vim.cmd("helpclose")
  end
  local manual = table.concat(vim.fn.readfile("doc/berth.txt"), "\n")
  for name in pairs(require("berth.config").options) do
    matches(manual, "\n" .. name .. "%s")
  end
end)
