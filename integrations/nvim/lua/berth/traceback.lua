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
      local piece = line:match("^%s+at piece %d+:(%d+):%d+")
      if number or piece and #found == 0 then
        local words = number and node_error(lines, index) or lines[1]
        table.insert(found, { name = "<string>", line = tonumber(number or piece), text = words, is_error = true })
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
