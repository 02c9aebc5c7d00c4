-- SPDX-License-Identifier: Apache-2.0

-- :checkhealth berth

local addresses = require("berth.address")
local task = require("berth.task")

local M = {}

-- Neovim has renamed these.
local health = vim.health or require("health")
local start, ok = health.start or health.report_start, health.ok or health.report_ok
local warn, bad = health.warn or health.report_warn, health.error or health.report_error

local LIMIT_MS = 15000

-- The results of a task, for which the editor waits.
local function waited(body)
  local results
  task.spawn(body, function(...)
    results = { ... }
  end)
  vim.wait(LIMIT_MS, function()
    return results ~= nil
  end, 5)
  if results == nil then
    return false, ("no answer within %d s"):format(LIMIT_MS / 1000)
  end
  return unpack(results)
end

function M.check()
  start("Berth")
  if vim.fn.has("nvim-0.7") == 0 then
    bad("Neovim 0.7 or newer is needed")
    return
  end
  ok("Neovim is new enough")
  local config = require("berth.config").options
  local is_made, client = pcall(require("berth.client").new, { address = config.server, connect_timeout = 2000 })
  if not is_made then
    bad(tostring(client))
    return
  end
  local from = config.server and "setup{ server }" or os.getenv("BERTH_SERVER") and "BERTH_SERVER" or "the default"
  local is_there, hello = waited(function()
    return client:hello()
  end)
  if not is_there then
    bad(tostring(hello), { ("The address %s is from %s"):format(addresses.describe(client.address), from) })
    return
  end
  ok(("%s answers at %s (from %s)"):format(hello.version, addresses.describe(client.address), from))
  if config.pool ~= "" and not vim.tbl_contains(hello.pools, config.pool) then
    bad(("there is no pool %s: the server has %s"):format(config.pool, table.concat(hello.pools, ", ")))
  else
    local began = vim.loop.hrtime()
    local is_run, result = waited(function()
      return client:run({ argv = { "true" }, pool = config.pool, wait = 10000 })
    end)
    local milliseconds = (vim.loop.hrtime() - began) / 1e6
    if is_run and result.ended.is_ok then
      ok(("a program has run in the pool %s, in %.0f ms"):format(config.pool ~= "" and config.pool or hello.pools[1], milliseconds))
    else
      bad("no program can be run: " .. (is_run and require("berth.results").describe(result.ended) or tostring(result)))
    end
  end
  client:close()
  local store = require("berth.store").folder()
  if vim.fn.mkdir(store, "p", tonumber("700", 8)) == 1 and vim.fn.filewritable(store) == 2 then
    ok("programs are remembered in " .. store)
  else
    warn(store .. " can't be written to: :BerthAttach finds nothing after a restart of the editor")
  end
end

return M
