-- SPDX-License-Identifier: Apache-2.0

-- The plugin's functions; its commands are in plugin/berth.lua, its manual is doc/berth.txt.

local M = {}

local function config()
  return require("berth.config").options
end

local client, client_server

-- Checks and takes options; an option that is wrong is named, and nothing is changed. See :help berth-options.
function M.setup(options)
  require("berth.config").set(options)
end

-- The client of the server that the options name, which all runs share. See :help berth-lua.
function M.client()
  local server = config().server
  if client == nil or client_server ~= server then
    client, client_server = require("berth.client").new({ address = server, window = 256 * 1024 }), server
  end
  return client
end

local function complain(problem)
  vim.notify((tostring(problem):gsub("^berth: ", ""):gsub("^", "berth: ")), vim.log.levels.ERROR)
end

-- Whatever goes wrong is said in one line.
local function guarded(body)
  return function(...)
    local is_done, problem = pcall(body, ...)
    if not is_done then
      complain(problem)
    end
  end
end

-- Lines of the current buffer, and where they begin. Without a range, all of them.
local function text_of(range, first, last)
  if range == 0 then
    first, last = 1, vim.api.nvim_buf_line_count(0)
  end
  return table.concat(vim.api.nvim_buf_get_lines(0, first - 1, last, false), "\n") .. "\n", first
end

local function name_of_buffer()
  local name = vim.fn.expand("%:t")
  return name ~= "" and name or "[No Name]"
end

-- A block that is indented as a whole would be an error in Python.
local function dedented(code)
  local indent
  for line in code:gmatch("[^\n]+") do
    local own = line:match("^(%s*)%S")
    if own and (indent == nil or #own < #indent) then
      indent = own
    end
  end
  return indent and indent ~= "" and ("\n" .. code):gsub("\n" .. indent, "\n"):sub(2) or code
end

-- File types for which an empty line is nothing.
local SPACED = { python = true, sh = true, bash = true, javascript = true, lua = true, perl = true, ruby = true }
-- One-shot code can be this long.
local MAX_CODE = 128 * 1024 - 1

-- Code with as many empty lines before it as there are lines before it in the buffer, so that what names a line of it names the
-- buffer's; and the buffer's line of its first.
local function placed(code, first, filetype)
  code = dedented(code)
  if not SPACED[filetype] or first - 1 + #code > MAX_CODE then
    return code, first
  end
  return ("\n"):rep(first - 1) .. code, 1
end

local function way_of(filetype)
  local way = config().languages[filetype]
  if not way then
    local words = filetype == "" and "this buffer has no file type" or ("there is no language for the file type %q"):format(filetype)
    error(words .. ': name one in setup{ languages = { … } }, or give a command (":BerthRun make")', 0)
  end
  return way
end

-- What is to be run in a member of its own, or beside the session: an execution's options.
local function program_of(options, text, source)
  local program = {
    timeout = config().timeout * 1000, env = config().env, cwd = config().cwd,
    resumable = config().resumable > 0 and config().resumable * 1000 or nil,
  }
  if options.command ~= "" then
    program.shell = options.command
    program.stdin = options.range > 0 and text or nil
  else
    local way = way_of(vim.bo.filetype)
    local code
    code, source.line = placed(text, source.line, vim.bo.filetype)
    if type(way) == "string" then
      program.code, program.language = code, way
    elseif options.bang then
      error(("code of the file type %s is its program's standard input, which leaves none for a terminal"):format(vim.bo.filetype), 0)
    else
      program.argv, program.stdin = way, code
    end
  end
  program.keep_stdin_open = program.stdin == nil
  return program
end

local function enter(screen)
  local window = screen:shown_in()
  if window then
    vim.api.nvim_set_current_win(window)
    vim.cmd("startinsert")
  end
end

-- options: command (a line for the shell; "" for the buffer's text), bang (with a terminal), range (0: none), first, last
M.run = guarded(function(options)
  local session = require("berth.session")
  local text, line = text_of(options.range, options.first, options.last)
  local source = { buffer = vim.api.nvim_get_current_buf(), line = line }
  local title = options.command
  if title == "" then
    title = name_of_buffer()
    if options.range > 0 then
      title = title .. (options.first == options.last and ":%d" or ":%d-%d"):format(options.first, options.last)
    end
    local language = config().sessions[vim.bo.filetype]
    if session.is_open() and language and not options.bang then
      session.run({ code = dedented(text), language = language, title = title, source = source, config = config() })
      return
    end
  end
  local program = program_of(options, text, source)
  local is_session = session.is_open()
  if not is_session then
    program.pool = config().pool
  end
  local screen = require("berth.ui.screen").open(title, config(), options.bang)
  if options.bang then
    local rows, columns = screen:measure()
    program.terminal = { rows = rows, columns = columns }
    program.env = vim.tbl_extend("keep", program.env, { TERM = "xterm-256color" })
  end
  local used = M.client()
  require("berth.run").start({
    title = title, screen = screen, config = config(), client = used, kind = options.bang and "terminal" or "lines",
    source = options.command == "" and source or nil, is_input_ended = not program.keep_stdin_open,
    is_kept = not is_session and config().resumable > 0, server = require("berth.address").describe(used.address),
    begin = function()
      return used:start(is_session and session.token() or "", program)
    end,
  })
  if options.bang then
    enter(screen)
  end
end)

-- The run of the current window, else the one that was started last.
local function current_run()
  local screen = require("berth.ui.screen").of(0)
  if screen and screen.run and not screen.run.is_over then
    return screen.run
  end
  local running = require("berth.run").running
  return running[#running]
end

M.cancel = guarded(function()
  local run = current_run()
  if run == nil then
    error("nothing runs", 0)
  end
  run:cancel()
end)

-- As a terminal's Ctrl-C; the second time it ends the program.
M.interrupt = guarded(function()
  local run = current_run()
  if run then
    run:interrupt()
  end
end)

local function ago(started)
  local seconds = os.time() - started
  return seconds < 120 and ("%d s"):format(seconds) or seconds < 7200 and ("%d min"):format(seconds / 60)
    or ("%d h"):format(seconds / 3600)
end

local function attach_to(entry)
  local is_terminal = entry.kind == "terminal"
  local screen = require("berth.ui.screen").open(entry.title, config(), is_terminal)
  local server = M.client()
  if require("berth.address").describe(server.address) ~= entry.server then
    server = require("berth.client").new({ address = entry.server })
  end
  local source
  if type(entry.source) == "table" and entry.source.path ~= "" then
    source = { buffer = vim.fn.bufadd(entry.source.path), line = entry.source.line }
  end
  require("berth.run").start({
    title = entry.title, screen = screen, config = config(), client = server, kind = entry.kind, source = source, is_kept = true,
    server = entry.server, id = entry.execution, is_attached = true, started = entry.started, is_size_unknown = true,
    begin = function()
      return server:lease(""):attach(entry.execution)
    end,
  })
  if is_terminal then
    enter(screen)
  end
end

-- Shows a program again that this or an earlier editor has started, and that went on without it.
M.attach = guarded(function()
  local shown = {}
  for _, run in ipairs(require("berth.run").running) do
    shown[run.id or ""] = true
  end
  local entries = vim.tbl_filter(function(entry)
    return not shown[entry.execution]
  end, require("berth.store").all())
  if #entries == 0 then
    error("no program is left to attach to", 0)
  elseif #entries == 1 then
    attach_to(entries[1])
    return
  end
  vim.ui.select(entries, {
    prompt = "Attach to",
    format_item = function(entry)
      return ("%s (started %s ago)"):format(entry.title, ago(entry.started))
    end,
  }, guarded(function(entry)
    if entry then
      attach_to(entry)
    end
  end))
end)

-- How long the editor waits for names.
local COMPLETION_MS = 1000

-- For 'omnifunc': names that the session's interpreter knows. See :help berth-completion.
function M.omnifunc(is_start)
  local language = config().sessions[vim.bo.filetype]
  if is_start == 0 then
    return vim.b.berth_matches or {}
  end
  local line, place = vim.api.nvim_get_current_line(), vim.api.nvim_win_get_cursor(0)[2]
  local is_over, matches, start
  require("berth.task").spawn(function()
    matches, start = require("berth.session").complete(language, line, place)
  end, function()
    is_over = true
  end)
  vim.wait(COMPLETION_MS, function()
    return is_over
  end, 2)
  vim.b.berth_matches = matches
  -- Without an answer nothing is completed, and nothing said.
  return matches and start or -3
end

-- Opens the session, or with `is_end` ends it.
M.session = guarded(function(is_end)
  local session, task = require("berth.session"), require("berth.task")
  if is_end and not session.is_open() then
    error("there is no session", 0)
  end
  task.spawn(function()
    if is_end then
      session.close()
    else
      session.open(M.client(), config())
    end
    task.main()
    vim.notify(is_end and "berth: the session has ended" or "berth: a session is open: variables stay from run to run")
  end, function(is_done, problem)
    if not is_done then
      vim.schedule(function()
        complain(problem)
      end)
    end
  end)
end)

return M
