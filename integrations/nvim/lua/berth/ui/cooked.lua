-- SPDX-License-Identifier: Apache-2.0

-- What is typed to a program without a terminal: a line is edited here and sent whole, as a terminal would do it.
-- A value without the editor.

local Cooked = {}
Cooked.__index = Cooked

local M = {}

function M.new()
  return setmetatable({ line = "", hides = false }, Cooked)
end

local function last_character(line)
  return line:match("[%z\1-\127\194-\244][\128-\191]*$") or line:sub(-1)
end

-- Keys as a terminal sends them. Returns what is to be shown, and a list of what is to be done: { "send", data },
-- { "end" } for the end of the input, { "interrupt" }. `width(character)` is how many cells a character takes.
function Cooked:type(keys, width)
  local shown, acts = {}, {}
  local function show(text)
    if not self.hides then
      shown[#shown + 1] = text
    end
  end
  local function erase()
    local character = last_character(self.line)
    self.line = self.line:sub(1, #self.line - #character)
    local cells = character == "" and 0 or width(character)
    show(("\b"):rep(cells) .. (" "):rep(cells) .. ("\b"):rep(cells))
  end
  -- Keys without text, and a terminal's own answers, begin with an escape: they are nothing here.
  if keys:byte() == 27 then
    return "", acts
  end
  for character in keys:gmatch("[%z\1-\127\194-\244][\128-\191]*") do
    if character == "\r" or character == "\n" then
      acts[#acts + 1] = { "send", self.line .. "\n" }
      shown[#shown + 1] = "\n"
      self.line, self.hides = "", false
    elseif character == "\127" or character == "\b" then
      erase()
    elseif character == "\21" then
      while self.line ~= "" do
        erase()
      end
    elseif character == "\3" then
      acts[#acts + 1] = { "interrupt" }
    elseif character == "\4" then
      acts[#acts + 1] = self.line == "" and { "end" } or { "send", self.line }
      self.line = ""
    elseif character == "\t" or character:byte() >= 32 then
      self.line = self.line .. character
      show(character)
    end
  end
  return table.concat(shown), acts
end

return M
