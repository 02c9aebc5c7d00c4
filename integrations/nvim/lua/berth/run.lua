-- SPDX-License-Identifier: Apache-2.0

-- A program, or a piece of code, and the screen that shows it.

local errors = require("berth.errors")
local store = require("berth.store")
local task = require("berth.task")
local text = require("berth.text")
local traceback = require("berth.traceback")

local M = {}

-- Of what a program wrote, so much is looked through for where it went wrong.
local RECENT_BYTES = 32 * 1024
-- How often it is looked whether a program's window has another size.
local MEASURE_MS = 200
local WAYS_BACK = 3

local Run = {}
Run.__index = Run

M.running = {}

-- `about`: title, screen, config, source ({ buffer, line } of the code, if it is in a buffer), kind ("terminal", "lines" or "piece"),
-- begin (given the run, returns its execution; called in the task), lease (its token), is_kept (remembered for :BerthAttach).
-- `done(ended)` follows, in the main loop.
function M.start(about, done)
  local self = setmetatable(about, Run)
  self.readers = { stdout = text.reader(), stderr = text.reader() }
  self.offsets = { stdout = 0, stderr = 0 }
  self.recent, self.recent_size = {}, 0
  self.cooked = require("berth.ui.cooked").new()
  self.screen.run = self
  self.screen.is_busy = true
  self.screen.on_keys = function(keys)
    self:type(keys)
  end
  self.screen.on_gone = function()
    self:cancel()
  end
  self.screen:set_state("running")
  table.insert(M.running, self)
  task.spawn(function()
    local is_done, problem = task.try(function()
      self:follow()
    end)
    self:finish(not is_done and problem or nil)
    if done then
      done(self.execution and self.execution:ended())
    end
  end)
  return self
end

-- MARK: Output

function Run:follow()
  self.execution = self:begin()
  if self.is_cancelled then
    self.execution:cancel()
  end
  local ways_back = 0
  while true do
    local is_done, problem = task.try(function()
      self.id = self.execution:id()
      if self.is_attached then
        self.execution:find_input()
      end
      self:remember()
      self:read()
    end)
    if is_done then
      return
    elseif not errors.is(problem, "UNAVAILABLE") or not self.is_kept or self.id == nil or ways_back == WAYS_BACK then
      error(problem, 0)
    end
    -- The connection was lost, and not the program.
    ways_back = ways_back + 1
    self.is_attached = true
    self.execution = self.client:lease(""):attach(self.id, { stdout_offset = self.offsets.stdout, stderr_offset = self.offsets.stderr })
  end
end

function Run:read()
  for event in function() return self.execution:next() end do
    self:show(event)
    if self.screen:is_full() then
      self.screen:wait()
    end
  end
  self:show_text("stdout", self.readers.stdout:finish())
  self:show_text("stderr", self.readers.stderr:finish())
end

function Run:show(event)
  if event.type == "output" then
    self.offsets[event.stream] = event.offset + #event.data
    self:show_text(event.stream, self.readers[event.stream]:hold(event.data))
  elseif event.type == "dropped" and self.readers[event.stream] then
    self.offsets[event.stream] = event.offset + event.bytes
    self:show_text(event.stream, self.readers[event.stream]:finish())
    self.screen:add(("\27[90m⋯ %d bytes were no longer kept ⋯\27[0m\n"):format(event.bytes))
  elseif event.type == "display" then
    self:show_display(event)
  elseif event.type == "failure" then
    local trace = event.traceback
    self:note(table.concat(trace, "\n") .. "\n")
    if self.on_failure then
      trace = self:on_failure(trace)
    end
    self.screen:add(("\27[31m%s\n\27[39m"):format(table.concat(trace, "\n")))
  elseif event.type == "prompt" then
    self.screen:add(event.text)
    self.cooked.hides = event.is_password
  end
end

function Run:show_text(stream, piece)
  if piece == "" then
    return
  end
  self:note(piece)
  -- What has colours of its own keeps them.
  if stream == "stderr" and not piece:find("\27", 1, true) then
    piece = ("\27[31m%s\27[39m"):format(piece)
    if piece:byte(-6) == 10 then
      piece = piece:sub(1, -7) .. "\27[39m\n"
    end
  end
  self.screen:add(piece)
end

-- Keeps the end of what was written, to look for traces in it.
function Run:note(piece)
  table.insert(self.recent, piece)
  self.recent_size = self.recent_size + #piece
  while self.recent_size - #self.recent[1] > RECENT_BYTES do
    self.recent_size = self.recent_size - #table.remove(self.recent, 1)
  end
end

local EXTENSIONS = { ["image/png"] = "png", ["image/jpeg"] = "jpg", ["image/svg+xml"] = "svg", ["image/gif"] = "gif" }

function Run:show_display(event)
  local plain = event.data["text/plain"]
  if plain and plain ~= "" then
    self.screen:add((event.is_result and "\27[36m%s\27[39m\n" or "%s\n"):format(plain))
  end
  for mime, extension in pairs(EXTENSIONS) do
    local data = event.data[mime]
    if data then
      task.main()
      local path = ("%s.%s"):format(vim.fn.tempname(), extension)
      local file = io.open(path, "wb")
      if file then
        file:write(data)
        file:close()
        self.screen:add(("\27[90m%s, %d bytes: \27[0m%s\n"):format(mime, #data, path))
      end
    end
  end
  for mime, bytes in pairs(event.left_out) do
    local words = "\27[90m%s has %d bytes, more than the server may hold (max_display, held_memory), and is left out\27[0m\n"
    self.screen:add(words:format(mime, bytes))
  end
end

-- MARK: How it ended

local function seconds(milliseconds)
  return milliseconds < 999.5 and ("%.0f ms"):format(milliseconds) or ("%.2f s"):format(milliseconds / 1000)
end

-- In a few words, and with what there is to say beside them.
local function words_of(ended)
  local few = ended.cause == "exited" and ("exit " .. ended.exit_code) or ended.cause:gsub("_", " ")
  if ended.cause ~= "exited" and ended.signal ~= 0 then
    few = ("%s (signal %d)"):format(few, ended.signal)
  end
  few = ("%s · %s"):format(few, seconds(ended.wall))
  local more = ended.message ~= "" and (" · " .. ended.message) or ""
  return few, few .. more .. (ended.is_context_lost and " · the session's variables are lost" or "")
end

function Run:finish(problem)
  local ended = self.execution and self.execution:ended()
  self.is_over = true
  for index, run in ipairs(M.running) do
    if run == self then
      table.remove(M.running, index)
      break
    end
  end
  if problem and not (self.is_cancelled and errors.is(problem, "CANCELLED")) then
    self.screen:add(("\27[31m%s\27[39m\n"):format(tostring(problem)))
  end
  local few, all
  if ended then
    few, all = words_of(ended)
  else
    few = errors.is(problem) and problem.code:lower():gsub("_", " ") or "failed"
  end
  self.screen:finish(few, all or few, ended ~= nil and ended.is_ok)
  task.main()
  self.screen.is_busy = false
  if self.id and (ended or self.is_cancelled or errors.is(problem, "NOT_FOUND")) then
    store.forget(self.id)
  end
  if ended and not ended.is_ok and self.config.quickfix then
    self:fill_quickfix()
  end
  if not self.screen.is_gone and self.kind == "terminal" and vim.api.nvim_get_current_buf() == self.screen.buffer then
    vim.cmd("stopinsert")
  end
end

local function line_of(source, line)
  return vim.trim(vim.api.nvim_buf_get_lines(source.buffer, line - 1, line, false)[1] or "")
end

-- What a person calls a buffer.
local function name_of(buffer)
  local name = vim.api.nvim_buf_get_name(buffer)
  return name ~= "" and vim.fn.fnamemodify(name, ":~:.") or "[No Name]"
end

-- A trace whose places are the buffers' instead of the pieces'. Main loop only.
function Run:in_buffers(trace)
  return vim.tbl_map(function(line)
    return traceback.placed(line, function(name, number)
      local source = self.places[name]
      if source and vim.api.nvim_buf_is_valid(source.buffer) then
        return name_of(source.buffer), number + source.line - 1
      end
      return nil
    end)
  end, trace)
end

-- Where the code went wrong, into the quickfix list; other places of a trace are lines without a place.
function Run:fill_quickfix()
  local items, is_placed, worst = {}, false, 1
  for index, place in ipairs(traceback.parse(text.clean(table.concat(self.recent)))) do
    local source = place.name == "<string>" and self.source or self.places and self.places[place.name]
    local words = place.text
    if source and vim.api.nvim_buf_is_valid(source.buffer) then
      is_placed = true
      local line = place.line + source.line - 1
      words = words ~= "" and words or line_of(source, line)
      items[index] = { bufnr = source.buffer, lnum = line, type = place.is_error and "E" or "" }
      worst = place.is_error and index or worst
    else
      items[index] = { valid = 0 }
    end
    if place.within and place.within ~= "<module>" and not place.is_error then
      words = ("in %s: %s"):format(place.within, words)
    end
    items[index].text = source and words or ("%s:%d: %s"):format(place.name, place.line, words)
  end
  if is_placed then
    -- Where it went wrong is the current one: `:cc` goes there.
    vim.fn.setqflist({}, " ", { title = "Berth: " .. self.title, items = items, idx = worst })
    vim.cmd("silent doautocmd <nomodeline> QuickFixCmdPost berth")
  end
end

-- MARK: While it runs

function Run:remember()
  task.main()
  if self.is_kept and not self.is_over then
    store.keep({
      server = self.server, execution = self.id, title = self.title, started = self.started or os.time(), kind = self.kind,
      source = self.source and { path = vim.api.nvim_buf_get_name(self.source.buffer), line = self.source.line } or nil,
    })
  end
  if self.kind == "terminal" and not self.is_measured then
    self.is_measured = true
    self:measure()
  end
end

-- Tells the program's terminal when its window has another size.
function Run:measure()
  if self.is_over or self.screen.is_gone then
    return
  end
  local rows, columns, is_new = self.screen:measure()
  if is_new or self.is_size_unknown then
    self.is_size_unknown = false
    self:act(function()
      self.execution:resize(rows, columns)
    end)
  end
  task.timer(MEASURE_MS, vim.schedule_wrap(function()
    self:measure()
  end))
end

-- Does what a program that has just ended may refuse.
function Run:act(body)
  task.spawn(body, function(is_done, problem)
    if not is_done and not self.is_over and not errors.is(problem, "NOT_FOUND") and not errors.is(problem, "FAILED_PRECONDITION") then
      vim.schedule(function()
        vim.notify("berth: " .. tostring(problem), vim.log.levels.WARN)
      end)
    end
  end)
end

-- What is typed in its window.
function Run:type(keys)
  if self.is_over or self.execution == nil then
    return
  end
  if self.kind == "terminal" then
    self:act(function()
      self.execution:write(keys)
    end)
    return
  elseif self.is_input_ended then
    -- Nobody reads what is typed; but a program can be interrupted.
    keys = keys:match("\3") or ""
  end
  local shown, acts = self.cooked:type(keys, vim.fn.strdisplaywidth)
  self.screen:add(shown)
  for _, act in ipairs(acts) do
    if act[1] == "interrupt" then
      self:interrupt()
    else
      self.is_input_ended = act[1] == "end"
      self:act(function()
        self.execution:write(act[2] or "", act[1] == "end")
      end)
    end
  end
end

-- Interrupts it; who asks again ends it.
function Run:interrupt()
  if self.is_interrupted then
    self:cancel()
    return
  end
  self.is_interrupted = true
  self:act(function()
    self.execution:signal("INT")
  end)
end

function Run:cancel()
  if self.is_over then
    return
  end
  self.is_cancelled = true
  if self.execution == nil then
    return
  end
  self:act(function()
    self.execution:cancel()
    if self.screen.is_gone then
      self.execution:close()
    end
  end)
end

return M
