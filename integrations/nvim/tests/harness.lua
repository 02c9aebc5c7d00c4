-- SPDX-License-Identifier: Apache-2.0

-- Runs one file of tests, each as a task, and ends Neovim: with an error when one failed. Called by tests/headless.

local task = require("berth.task")

local M = { tests = {} }
package.loaded["tests.harness"] = M

local LIMIT_MS = 60000

-- Its name is a sentence that can be true or false.
function M.test(sentence, body)
  table.insert(M.tests, { sentence, body })
end

local function shown(value)
  return type(value) == "string" and ("%q"):format(value) or vim.inspect(value)
end

function M.equal(found, expected, about)
  if not vim.deep_equal(found, expected) then
    error(("%sfound %s, not %s"):format(about and (about .. ": ") or "", shown(found), shown(expected)), 2)
  end
end

function M.matches(found, pattern)
  if type(found) ~= "string" or not found:find(pattern) then
    error(("found %s, which does not match %s"):format(shown(found), shown(pattern)), 2)
  end
end

-- The error that `body` raises, which may wait.
function M.raised(body)
  local is_done, problem = task.try(body)
  if is_done then
    error("no error was raised", 2)
  end
  return problem
end

-- Waits until `is_so()`, whose true value is returned. `what` says in words what did not come.
function M.eventually(what, is_so, limit)
  task.main()
  local due = vim.loop.hrtime() + (limit or 20000) * 1e6
  while true do
    local value = is_so()
    if value then
      return value
    elseif vim.loop.hrtime() > due then
      error("not in time: " .. what, 2)
    end
    task.sleep(2)
    task.main()
  end
end

local function run(test)
  task.main()
  local sentence, body = unpack(test)
  local began = vim.loop.hrtime()
  local is_passed, problem = task.await(function(resume)
    local stop = task.timer(LIMIT_MS, function()
      resume(false, "it has not ended within a minute")
    end)
    task.spawn(body, function(is_done, why, thread)
      stop()
      resume(is_done, is_done or debug.traceback(thread, tostring(why)))
    end)
  end)
  local milliseconds = (vim.loop.hrtime() - began) / 1e6
  io.stderr:write(("%s %s (%.0f ms)\n"):format(is_passed and "ok    " or "FAILED", sentence, milliseconds))
  if not is_passed then
    io.stderr:write(problem, "\n")
  end
  return is_passed
end

task.spawn(function()
  local failed, count = 0, 0
  dofile(os.getenv("BERTH_TESTS"))
  for _, test in ipairs(M.tests) do
    if test[1]:find(os.getenv("BERTH_TEST") or "", 1, true) then
      count = count + 1
      failed = failed + (run(test) and 0 or 1)
    end
  end
  io.stderr:write(("%s: %d of %d passed\n"):format(os.getenv("BERTH_TESTS"), count - failed, count))
  return failed == 0
end, function(is_done, result)
  if not is_done then
    io.stderr:write(tostring(result), "\n")
  end
  vim.schedule(function()
    vim.cmd(is_done and result and "qall!" or "cquit")
  end)
end)
