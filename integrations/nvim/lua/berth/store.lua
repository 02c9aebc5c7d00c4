-- SPDX-License-Identifier: Apache-2.0

-- Programs that go on when the editor ends, remembered for the next one: a file each, which only the user can read, since
-- whoever knows an execution's id may watch it. Functions here wait for the disk: they are for the main loop.

local M = {}

-- Seconds: a day that a program may run, and another that it may be kept.
local LONGEST = 2 * 24 * 3600

function M.folder()
  return vim.fn.stdpath("data") .. "/berth"
end

local function path_of(execution)
  return ("%s/%s.json"):format(M.folder(), vim.fn.sha256(execution):sub(1, 16))
end

-- `entry`: server, execution, title, started (seconds since 1970), kind, source.
function M.keep(entry)
  vim.fn.mkdir(M.folder(), "p", tonumber("700", 8))
  local file = vim.loop.fs_open(path_of(entry.execution), "w", tonumber("600", 8))
  if file then
    vim.loop.fs_write(file, vim.fn.json_encode(entry), 0)
    vim.loop.fs_close(file)
  end
end

function M.forget(execution)
  vim.loop.fs_unlink(path_of(execution))
end

-- The newest first. What cannot be read is passed over; what is too old to be there still is forgotten.
function M.all()
  local entries = {}
  for _, path in ipairs(vim.fn.glob(M.folder() .. "/*.json", true, true)) do
    local is_read, entry = pcall(function()
      return vim.fn.json_decode(vim.fn.readfile(path))
    end)
    if is_read and type(entry) == "table" and type(entry.execution) == "string" and type(entry.started) == "number" then
      if os.time() - entry.started < LONGEST then
        table.insert(entries, entry)
      else
        vim.loop.fs_unlink(path)
      end
    end
  end
  table.sort(entries, function(one, other)
    return one.started > other.started
  end)
  return entries
end

return M
