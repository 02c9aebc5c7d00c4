-- SPDX-License-Identifier: Apache-2.0

-- Where a program's own words say that its code went wrong. A value without the editor.

local M = {}

-- Each says, of a line: a name of what is run, the line in it, and what is to be read.
local PATTERNS = {
  -- dash and bash, from a string or their standard input
  { "^%a*sh: line (%d+): (.*)", "<string>" }, { "^%a*sh: (%d+): (.*)", "<string>" }, { "^%a*sh: %-c: line (%d+): (.*)", "<string>" },
  { "^lua[%d.]*: stdin:(%d+): (.*)", "<string>" }, { "^lua[%d.]*: %(command line%):(%d+): (.*)", "<string>" },
  { "^%-:(%d+):in? ?(.*)", "<string>" },
}

local function plain(line)
  return (line:gsub("\27%[[%d;]*%a", ""):gsub("\r", ""))
end

-- A Python trace: frames with the innermost last, then the error.
local function python_frame(lines, index)
  local indent, name, number, within = lines[index]:match('^(%s*)File "(.-)", line (%d+)(.*)')
  if name == nil then
    return nil
  end
  local code = lines[index + 1] or ""
  local has_code = #(code:match("^%s*")) > #indent
  return { name = name, line = tonumber(number), within = within:match("^, in (.*)"), text = has_code and vim.trim(code) or "" }
end

-- The line that says what went wrong: the first after the frames that is not indented.
local function python_error(lines, index)
  for position = index + 1, #lines do
    local line = lines[position]
    if line:match("^[%w_.]+:? ?") and not line:match("^%s") and line:match("^[%a_][%w_.]*$") or line:match("^[%a_][%w_.]*: ") then
      return line
    end
  end
  return nil
end

-- The first line after a place of Node's that says what went wrong.
local function node_error(lines, index)
  for position = index + 1, #lines do
    if lines[position]:match("^[%a_][%w_]*: ") then
      return lines[position]
    end
  end
  return ""
end

-- How a line of a trace names a place in a piece of code: what is before, its number, what is between, the line in it, the rest.
local PIECES = {
  '^(%s*File ")<piece (%d+)>(", line )(%d+)(.*)', -- Python
  "^(%s+at )piece (%d+)(:)(%d+)(.*)", "^(%s+at .*%()piece (%d+)(:)(%d+)(.*)", "^()piece (%d+)(:)(%d+)$", -- Node
}

-- The number of the newest piece that a trace names; nil for none.
function M.newest_piece(lines)
  local newest
  for _, line in ipairs(lines) do
    for _, pattern in ipairs(PIECES) do
      local _, number = line:match(pattern)
      newest = number and math.max(newest or 0, tonumber(number)) or newest
    end
  end
  return newest
end

-- A line of a trace with another place: `place_of("<piece 7>", line)` says which, as a name and a line; nil leaves it.
function M.placed(text, place_of)
  for _, pattern in ipairs(PIECES) do
    local before, number, between, line, rest = text:match(pattern)
    if number then
      local name, there = place_of(("<piece %s>"):format(number), tonumber(line))
      return name and table.concat({ type(before) == "string" and before or "", name, between, there, rest }) or text
    end
  end
  return text
end

-- `text` is the end of what was written. Returns a list of { name, line, text, within, is_error }: `name` is what the program
-- calls its code, "<string>" for what it was given; `text` the error, or the code, where that is said; `within` a function.
function M.parse(text)
  local lines = vim.tbl_map(plain, vim.split(text, "\n", { plain = true }))
  local found, last_frame = {}, nil
  for index, line in ipairs(lines) do
    local frame = python_frame(lines, index)
    if line:match("^Traceback %(most recent call last%)") then
      found, last_frame = {}, nil
    elseif frame then
      table.insert(found, frame)
      last_frame = index
    else
      for _, pattern in ipairs(PATTERNS) do
        local number, words = line:match(pattern[1])
        if number then
          table.insert(found, { name = pattern[2], line = tonumber(number), text = words, is_error = true })
          break
        end
      end
      -- Node: from its standard input, whose error follows; and in a context, whose error is before.
      local number = line:match("^%[stdin%]:(%d+)$")
      if number then
        table.insert(found, { name = "<string>", line = tonumber(number), text = node_error(lines, index), is_error = true })
      end
      local piece, place = line:match("^%s+at .-piece (%d+):(%d+):%d+")
      if piece and #found == 0 then
        table.insert(found, { name = ("<piece %s>"):format(piece), line = tonumber(place), text = lines[1], is_error = true })
      end
      local words, perl = line:match("^(.*) at %- line (%d+)")
      if words then
        table.insert(found, { name = "<string>", line = tonumber(perl), text = words, is_error = true })
      end
    end
  end
  if last_frame then
    local words = python_error(lines, last_frame)
    local frame = found[#found]
    -- The innermost frame of the code that was given, where there is one, is the place to look at.
    for index = #found, 1, -1 do
      if found[index].name:match("^<") then
        frame = found[index]
        break
      end
    end
    frame.is_error = true
    frame.text = words or frame.text
  end
  return found
end

return M
