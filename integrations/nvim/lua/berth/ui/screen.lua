-- SPDX-License-Identifier: Apache-2.0

-- A window in which a program's output is shown, as a terminal shows it. Text may be added from anywhere; it is drawn in turns,
-- at most 30 a second, each of which takes a few milliseconds, so that whoever types is not held up.

local task = require("berth.task")
local tails = require("berth.ui.tail")
local texts = require("berth.text")

local api, uv = vim.api, vim.loop

local M = {}

local TURN_MS = 34
-- How long a turn draws, and how much it gives the terminal at a time. On a busy machine a turn takes longer than it should:
-- then the next one comes later, so that it is never more than a part of the time.
local DRAWING_MS, DRAWING_PART = 3, 1 / 8
local SLICE_LINES, SLICE_BYTES = 32, 4096
-- What may wait for a program's terminal, of which nothing is left out; and what is taken in a turn otherwise.
local WAITING_BYTES = 64 * 1024
local TURN_BYTES = 512 * 1024

local NAMESPACE = api.nvim_create_namespace("berth")

local Screen = {}
Screen.__index = Screen

local by_buffer = {}

-- The screen in a buffer; nil if it has none.
function M.of(buffer)
  return by_buffer[buffer == 0 and api.nvim_get_current_buf() or buffer]
end

function M.all()
  return vim.tbl_values(by_buffer)
end

-- MARK: Its window

local SPLITS = {
  below = "belowright %dsplit", above = "aboveleft %dsplit", left = "aboveleft %dvsplit", right = "belowright %dvsplit",
  tab = "tab split",
}

-- A window of this tab page whose screen is at its end gives its place to the next one.
local function window_for(buffer, config)
  for _, window in ipairs(api.nvim_tabpage_list_wins(0)) do
    local old = M.of(api.nvim_win_get_buf(window))
    if old and not old.is_busy then
      api.nvim_win_set_buf(window, buffer)
      if not old.stays then
        old:wipe()
      end
      return window
    end
  end
  local before = api.nvim_get_current_win()
  vim.cmd("keepalt " .. SPLITS[config.window.position]:format(config.window.size))
  local window = api.nvim_get_current_win()
  api.nvim_win_set_buf(window, buffer)
  if config.window.position ~= "tab" then
    api.nvim_set_current_win(before)
  end
  return window
end

local WINDOW_OPTIONS = {
  number = false, relativenumber = false, signcolumn = "no", foldcolumn = "0", list = false, wrap = true, spell = false,
  cursorline = false, winfixheight = true,
  statusline = "%{%v:lua.require'berth.ui.screen'.status()%}",
}

local numbers = 0

-- config: scrollback, window. `is_terminal`: the program has a terminal, and what it writes goes there as it is.
function M.open(title, config, is_terminal)
  local buffer = api.nvim_create_buf(false, true)
  numbers = numbers + 1
  local self = setmetatable({
    buffer = buffer, title = title, is_terminal = is_terminal, is_busy = true, is_at_line = true, count = 1, state = "running",
    next_turn = 0, added = 0, waiting = {}, columns = 0, rows = 0,
    tail = is_terminal and tails.new() or tails.new(config.scrollback, 1024 * 1024),
  }, Screen)
  self.window = window_for(buffer, config)
  by_buffer[buffer] = self
  api.nvim_win_call(self.window, function()
    for name, value in pairs(WINDOW_OPTIONS) do
      vim.opt_local[name] = value
    end
    self.channel = api.nvim_open_term(buffer, {
      on_input = function(_, _, _, keys)
        if self.on_keys then
          self.on_keys(keys)
        end
      end,
    })
  end)
  vim.bo[buffer].scrollback = config.scrollback
  vim.bo[buffer].bufhidden = "hide"
  vim.bo[buffer].filetype = "berth"
  pcall(api.nvim_buf_set_name, buffer, ("berth://%d/%s"):format(numbers, title:gsub("%s+", " "):sub(1, 60)))
  api.nvim_buf_attach(buffer, false, {
    on_lines = function()
      if not self.is_drawn then
        self.is_drawn = true
        vim.schedule(function()
          self.is_drawn = false
          self:drawn()
        end)
      end
    end,
  })
  for _, event in ipairs({ "BufUnload", "BufWipeout" }) do
    vim.cmd(("autocmd %s <buffer=%d> ++once lua require('berth.ui.screen').gone(%d)"):format(event, buffer, buffer))
  end
  self:measure()
  return self
end

-- Its buffer is gone. When the editor ends, that is no wish to end the program.
function M.gone(buffer)
  local self = by_buffer[buffer]
  by_buffer[buffer] = nil
  if self then
    self.is_gone = true
    self:wake()
    if self.on_gone and vim.v.exiting == vim.NIL then
      self.on_gone()
    end
  end
end

function Screen:wipe()
  if api.nvim_buf_is_valid(self.buffer) then
    api.nvim_buf_delete(self.buffer, { force = true })
  end
end

-- Shows it again, if no window does.
function Screen:show_in_window(config)
  if self:shown_in() == nil then
    window_for(self.buffer, config)
  end
end

-- The first window that shows it, if one does.
function Screen:shown_in()
  local windows = vim.fn.win_findbuf(self.buffer)
  return windows[1]
end

-- Rows and columns of its window, and whether they are others than the last time.
function Screen:measure()
  local window = self:shown_in()
  if window == nil then
    return self.rows, self.columns, false
  end
  local rows, columns = api.nvim_win_get_height(window), api.nvim_win_get_width(window)
  local is_new = rows ~= self.rows or columns ~= self.columns
  self.rows, self.columns = rows, columns
  return rows, columns, is_new
end

local ICONS = { running = "●", ok = "✓", failed = "✗" }

-- The status line of a screen's window.
function M.status()
  local self = M.of(0)
  if self == nil then
    return "%f %m%r%=%l,%c"
  end
  local title = self.title:gsub("%%", "%%%%"):gsub("%s+", " ")
  local words = (self.words or self.state):gsub("%%", "%%%%")
  return (" %s %%<%s%%= %s "):format(ICONS[self.state], title, words)
end

function Screen:set_state(state, words)
  self.state, self.words = state, words
  vim.cmd("redrawstatus!")
end

-- MARK: Text

-- Whole characters. Of a program without a terminal, line feeds are new lines.
function Screen:add(text)
  if text == "" or self.is_gone then
    return
  end
  local last = text:byte(-1)
  self.is_at_line = last == 10 or last == 109 and text:sub(-16):find("\n\27%[[%d;]*m$") ~= nil
  self.added = self.added + #text
  self.tail:add(text)
  self:plan()
end

-- Whoever adds waits, until it is drawn.
function Screen:is_full()
  if self.is_terminal then
    return self.tail.size >= WAITING_BYTES
  end
  return self.added >= TURN_BYTES
end

-- Waits for the next turn.
function Screen:wait()
  if not self.is_gone then
    task.await(function(resume)
      table.insert(self.waiting, resume)
    end)
  end
end

-- Waits until all is drawn.
function Screen:drain()
  while self.tail.size > 0 and not self.is_gone do
    self:wait()
  end
end

function Screen:wake()
  local waiting = self.waiting
  self.waiting = {}
  for _, resume in ipairs(waiting) do
    resume()
  end
end

function Screen:plan()
  if self.is_planned or self.is_gone then
    return
  end
  self.is_planned = true
  local function turn()
    vim.schedule(function()
      self:turn()
    end)
  end
  local rest = self.next_turn - uv.hrtime() / 1e6
  if rest <= 0 then
    turn()
  else
    task.timer(rest, turn)
  end
end

local function megabytes(bytes)
  return bytes < 1e6 and ("%.0f kB"):format(math.max(1, bytes / 1e3)) or ("%.1f MB"):format(bytes / 1e6)
end

function Screen:turn()
  self.is_planned = false
  if self.is_gone or not api.nvim_buf_is_valid(self.buffer) then
    return
  end
  local began = uv.hrtime() / 1e6
  repeat
    local text, left_out = self.tail:take(SLICE_LINES, SLICE_BYTES)
    if left_out > 0 then
      api.nvim_chan_send(self.channel, ("\27[0m\r\27[K\27[90m⋯ %s not shown ⋯\27[0m\r\n"):format(megabytes(left_out)))
    end
    if text ~= "" then
      text = texts.clean(text)
      api.nvim_chan_send(self.channel, self.is_terminal and text or (text:gsub("\n", "\r\n")))
    end
  until self.tail.size == 0 or uv.hrtime() / 1e6 - began > DRAWING_MS
  local ended = uv.hrtime() / 1e6
  self.next_turn = ended + math.max(TURN_MS, (ended - began) / DRAWING_PART)
  self.added = 0
  if self.tail.size > 0 then
    self:plan()
  end
  self:wake()
end

-- The terminal has changed the buffer, a little after it was told what.
function Screen:drawn()
  if self.is_gone or not api.nvim_buf_is_valid(self.buffer) then
    return
  end
  if self.mark then
    self:place_mark()
  end
  -- Whoever looks at the end goes on to see it; whoever has gone back stays there. In Terminal mode the cursor is the program's.
  local count = api.nvim_buf_line_count(self.buffer)
  local typing = api.nvim_get_mode().mode == "t" and api.nvim_get_current_win()
  for _, window in ipairs(vim.fn.win_findbuf(self.buffer)) do
    if window ~= typing and api.nvim_win_get_cursor(window)[1] >= math.min(self.count, count) then
      api.nvim_win_set_cursor(window, { count, 0 })
    end
  end
  self.count = count
end

-- MARK: How it ended

-- Puts words behind what is shown, as virtual text, once all of that is drawn; a few of them into the status line.
function Screen:finish(few, words, is_ok)
  if not self.is_at_line then
    self:add("\27[0m\r\n")
  end
  self:drain()
  task.main()
  if self.is_gone then
    return
  end
  self.mark = { words = ("%s %s"):format(ICONS[is_ok and "ok" or "failed"], words), group = is_ok and "BerthOk" or "BerthFailed" }
  self:set_state(is_ok and "ok" or "failed", few)
  self:place_mark()
end

-- The line after the last one with text.
function Screen:place_mark()
  if self.is_gone or not api.nvim_buf_is_valid(self.buffer) or self.mark == nil then
    return
  end
  local count = api.nvim_buf_line_count(self.buffer)
  local line = count
  while line > 0 and api.nvim_buf_get_lines(self.buffer, line - 1, line, false)[1] == "" do
    line = line - 1
  end
  self.mark.id = api.nvim_buf_set_extmark(self.buffer, NAMESPACE, math.min(line, count - 1), 0, {
    id = self.mark.id, virt_text = { { self.mark.words, self.mark.group } }, virt_text_pos = line < count and "overlay" or "eol",
  })
end

-- The mark stays where it is, and what comes now is behind it.
function Screen:go_on()
  self.mark = nil
  self:add("\r\n")
end

return M
