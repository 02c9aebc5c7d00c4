-- SPDX-License-Identifier: Apache-2.0

-- A container that is kept from run to run: code runs in contexts, whose variables stay, one for each language; shell lines run
-- beside them and see the same files. There is one at a time.

local errors = require("berth.errors")
local runs = require("berth.run")
local screens = require("berth.ui.screen")
local task = require("berth.task")
local traceback = require("berth.traceback")

local M = {}

-- A lease ends after some minutes without use; this is often enough.
local RENEW_MS = 60 * 1000

-- The session: client, lease (once it is there), contexts (by language, with where each piece of code came from), its screen.
local current

function M.is_open()
  return current ~= nil
end

-- Its lease, when it is there. Waits; for tasks.
local function lease_of(session)
  return session.opening:with(function()
    return session.lease or errors.raise("NOT_FOUND", "the session could not be opened")
  end)
end

-- Its lease's token, for shell lines; "" without a session. Waits; for tasks.
function M.token()
  return current and lease_of(current).token or ""
end

local function keep_alive(session)
  task.timer(RENEW_MS, function()
    if session ~= current then
      return
    end
    task.spawn(function()
      session.lease:renew()
      keep_alive(session)
    end, function(is_renewed, problem)
      if not is_renewed and session == current then
        current = nil
        vim.schedule(function()
          vim.notify("berth: the session has ended: " .. tostring(problem), vim.log.levels.WARN)
        end)
      end
    end)
  end)
end

-- From now on there is one; what is run before its container is there waits for that. Waits; for tasks.
function M.open(client, config)
  if current then
    lease_of(current)
    return
  end
  local session = { client = client, contexts = {}, opening = task.lock() }
  current = session
  session.opening:with(function()
    local is_leased, lease = task.try(function()
      return client:acquire({ pool = config.pool })
    end)
    if not is_leased then
      current = nil
      error(lease, 0)
    end
    session.lease = lease
  end)
  keep_alive(session)
end

-- Gives the container back, with all that runs in it. Waits; for tasks.
function M.close()
  local session = current
  current = nil
  if session then
    if session.screen then
      session.screen.stays = false
    end
    local is_released, problem = task.try(function()
      lease_of(session):release()
    end)
    if not is_released and not errors.is(problem, "NOT_FOUND") and not errors.is(problem, "UNAVAILABLE") then
      error(problem, 0)
    end
  end
end

-- The context of a language, with its screen. Waits; for tasks.
local function context_of(session, language, config)
  local lease = lease_of(session)
  return session.opening:with(function()
    local entry = session.contexts[language]
    if entry == nil then
      local context = lease:context(language, { env = config.env, cwd = config.cwd })
      entry = { context = context, sources = {} }
      session.contexts[language] = entry
    end
    return entry
  end)
end

-- What could stand at a place (in bytes) in a line of code, and where what it replaces begins; nil where no piece of the language
-- has run yet. Waits; for tasks.
function M.complete(language, line, place)
  local entry = current and current.contexts[language]
  if entry then
    return entry.context:complete(line, place)
  end
  return nil
end

-- Where the pieces of a trace came from, by the names that they have there: "<piece 7>". The newest one is the last that ran.
local function places_of(entry, trace)
  local places = {}
  local number = traceback.newest_piece(trace)
  for index, source in ipairs(number and entry.sources or {}) do
    places[("<piece %d>"):format(number - #entry.sources + index)] = source
  end
  return places
end

-- Runs a piece of code. `about`: code, language, title, source, config. Returns its run.
function M.run(about)
  local session = current
  local screen = session.screen
  if screen == nil or screen.is_gone then
    screen = screens.open("session", about.config, false)
    -- Other screens take its window, but not its place.
    screen.stays = true
    session.screen = screen
  elseif screen.is_busy then
    error("the session still runs a piece of code; :BerthCancel ends it", 0)
  else
    screen:go_on()
    screen:show_in_window(about.config)
  end
  screen.title = "session · " .. about.title
  screen:add(("\27[90m▌ %s\27[0m\n"):format(about.title))
  local entry
  return runs.start({
    title = about.title, screen = screen, config = about.config, source = about.source, kind = "piece", client = session.client,
    begin = function()
      entry = context_of(session, about.language, about.config)
      table.insert(entry.sources, about.source)
      return entry.context:execute(about.code, { keep_stdin_open = true, timeout = about.config.timeout * 1000 })
    end,
    on_failure = function(run, trace)
      task.main()
      run.places = places_of(entry, trace)
      return run:in_buffers(trace)
    end,
  }, function(ended)
    if entry and (ended == nil or ended.is_context_lost) then
      session.contexts[about.language] = nil
    end
  end)
end

return M
