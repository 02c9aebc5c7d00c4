-- SPDX-License-Identifier: Apache-2.0

-- What setup() takes, checked.

local addresses = require("berth.address")

local M = {}

local DEFAULTS = {
  pool = "", timeout = 3600, resumable = 600, env = { PYTHONUNBUFFERED = "1" }, scrollback = 5000, quickfix = true,
  window = { position = "below", size = 15 },
  languages = {
    python = "python", sh = "sh", bash = { "bash" }, javascript = { "node", "-" }, lua = { "lua", "-" }, perl = { "perl", "-" },
    ruby = { "ruby", "-" },
  },
  sessions = { python = "python", sh = "sh", bash = "bash", javascript = "node" },
}

-- Programs end after a day at the latest, as servers have it.
local LONGEST = 24 * 3600

local function of_type(kind, words)
  return function(value)
    return type(value) == kind or words
  end
end

local function number(low, high, words)
  return function(value)
    return type(value) == "number" and value >= low and value <= high and value % 1 == 0 or words
  end
end

local function one_of(...)
  local known = { ... }
  return function(value)
    return vim.tbl_contains(known, value) or ("one of " .. table.concat(known, ", "))
  end
end

local function map(words, is_fine)
  return function(value)
    if type(value) ~= "table" then
      return words
    end
    for name, each in pairs(value) do
      if type(name) ~= "string" or not is_fine(each) then
        return words
      end
    end
    return true
  end
end

local function is_text(value)
  return type(value) == "string"
end

local function is_way(value)
  return is_text(value) or value == false or (type(value) == "table" and #value > 0 and #vim.tbl_filter(is_text, value) == #value)
end

-- Each returns true, or says what the value must be.
local CHECKS = {
  server = function(value)
    local address, problem = addresses.parse(value)
    return address ~= nil or ("an address: " .. problem)
  end,
  pool = of_type("string", "the name of a pool"),
  timeout = number(1, LONGEST, "whole seconds, 1 to " .. LONGEST),
  resumable = number(0, LONGEST, "whole seconds, 0 to " .. LONGEST),
  cwd = of_type("string", "a directory of the container"),
  env = map("a table of names and values, both text", is_text),
  scrollback = number(1, 100000, "a number of lines, 1 to 100000"),
  quickfix = of_type("boolean", "true or false"),
  window = {
    position = one_of("below", "above", "left", "right", "tab"),
    size = number(1, 1000, "a number of lines or columns, 1 to 1000"),
  },
  languages = map('a table: by file type, the name of a language of the pool ("python"), or a program that takes the code as its '
    .. 'standard input ({ "perl", "-" }), or false', is_way),
  sessions = map("a table: by file type, the language of a context, or false", is_way),
}

local function check(options, checks, path)
  for name, value in pairs(options) do
    local whole = path .. tostring(name)
    local wanted = checks[name]
    if wanted == nil then
      local known = vim.tbl_keys(checks)
      table.sort(known)
      error(("berth: setup has no option %s; there are %s"):format(whole, path .. table.concat(known, ", " .. path)), 0)
    elseif type(wanted) == "table" then
      if type(value) ~= "table" then
        error(("berth: setup: %s must be a table, and is %s"):format(whole, vim.inspect(value)), 0)
      end
      check(value, wanted, whole .. ".")
    else
      local answer = wanted(value)
      if answer ~= true then
        error(("berth: setup: %s must be %s; it is %s"):format(whole, answer, vim.inspect(value)), 0)
      end
    end
  end
end

M.options = vim.deepcopy(DEFAULTS)

-- Raises text that names the option that is wrong; then nothing is changed. What is not given has its default.
function M.set(options)
  options = options or {}
  if type(options) ~= "table" then
    error("berth: setup takes a table of options, and was given " .. vim.inspect(options), 0)
  end
  check(options, CHECKS, "")
  M.options = vim.tbl_deep_extend("force", vim.deepcopy(DEFAULTS), options)
end

return M
