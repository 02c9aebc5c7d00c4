-- SPDX-License-Identifier: Apache-2.0

-- Coroutines that wait for callbacks. What waits must run in a task. Nothing here yields across a pcall, which the Lua of some
-- builds of Neovim does not allow: `M.try` is the way to catch.

local M = {}

local uv = vim.loop

-- Who is told of the end of each task that runs.
local listeners = setmetatable({}, { __mode = "k" })

local function step(thread, ...)
  local results = { coroutine.resume(thread, ...) }
  if coroutine.status(thread) ~= "dead" then
    return
  end
  local done = listeners[thread]
  listeners[thread] = nil
  if results[1] then
    done(true, unpack(results, 2, table.maxn(results)))
  else
    done(false, results[2], thread)
  end
end

local function report(is_done, problem, thread)
  if is_done then
    return
  end
  local words = type(problem) == "string" and debug.traceback(thread, problem) or tostring(problem)
  vim.schedule(function()
    vim.notify("berth: " .. words, vim.log.levels.ERROR)
  end)
end

-- Runs `body` as a task. `done(true, results…)` or `done(false, error, thread)` follows; without it errors are notified.
function M.spawn(body, done)
  local thread = coroutine.create(body)
  listeners[thread] = done or report
  step(thread)
end

-- Waits for `begin(resume)` to call `resume(values…)`, now or later, and returns the values. Later calls change nothing.
function M.await(begin)
  local thread = coroutine.running()
  assert(thread, "this waits, and so must run in a task: require('berth.task').spawn(function() … end)")
  local is_over, is_waiting, values = false, false, nil
  begin(function(...)
    if is_over then
      return
    end
    is_over = true
    if is_waiting then
      step(thread, ...)
    else
      values = { n = select("#", ...), ... }
    end
  end)
  if is_over then
    return unpack(values, 1, values.n)
  end
  is_waiting = true
  return coroutine.yield()
end

-- As pcall, of what waits.
function M.try(body)
  return M.await(function(resume)
    M.spawn(body, resume)
  end)
end

-- Waits so many milliseconds.
function M.sleep(milliseconds)
  M.await(function(resume)
    M.timer(milliseconds, resume)
  end)
end

-- Calls `act` after so many milliseconds. What it returns ends that before.
function M.timer(milliseconds, act)
  local timer = uv.new_timer()
  local function stop()
    if timer then
      timer:stop()
      timer:close()
      timer = nil
    end
  end
  timer:start(math.max(0, math.ceil(milliseconds)), 0, function()
    stop()
    act()
  end)
  return stop
end

-- Waits until the editor's own functions can be called.
function M.main()
  if vim.in_fast_event() then
    M.await(vim.schedule)
  end
end

local Lock = {}
Lock.__index = Lock

-- Lets one task after another through, in the order in which they came.
function M.lock()
  return setmetatable({ waiting = {}, is_taken = false }, Lock)
end

-- What `body` returns or raises, when it was its turn.
function Lock:with(body)
  if self.is_taken then
    M.await(function(resume)
      table.insert(self.waiting, resume)
    end)
  end
  self.is_taken = true
  local results = { M.try(body) }
  local following = table.remove(self.waiting, 1)
  if following then
    following()
  else
    self.is_taken = false
  end
  if not results[1] then
    error(results[2], 0)
  end
  return unpack(results, 2, table.maxn(results))
end

return M
