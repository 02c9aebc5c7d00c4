-- SPDX-License-Identifier: Apache-2.0

-- Text that waits to be shown. What would have left the scrollback before anybody could see it is left out: a screen shows a
-- few thousand lines a second, a program writes millions. A value without the editor: in, out, and two bounds.

local byte, find, sub = string.byte, string.find, string.sub

local Tail = {}
Tail.__index = Tail

local M = {}

-- It is looked at what can be left out when so much waits.
local CUT_FROM = 64 * 1024

-- Keeps at least the last `lines` lines or `bytes` bytes, whichever is less, and at most twice as many bytes. Without bounds
-- nothing is left out; then whoever adds must stop in time.
function M.new(lines, bytes)
  return setmetatable({ lines = lines, bytes = bytes, pieces = {}, size = 0, left_out = 0 }, Tail)
end

function Tail:add(text)
  self.pieces[#self.pieces + 1] = text
  self.size = self.size + #text
  if self.bytes and self.size > 2 * self.bytes then
    self:cut()
  end
end

-- Back from a position to the beginning of the character there.
local function whole(text, position)
  while position > 1 and (byte(text, position) or 0) >= 128 and byte(text, position) < 192 do
    position = position - 1
  end
  return position
end

-- Leaves out what is before the last lines.
function Tail:cut()
  local text = table.concat(self.pieces)
  local first = math.max(1, #text - self.bytes + 1)
  local count, position = 0, #text - 1
  while position >= first do
    if byte(text, position) == 10 then
      count = count + 1
      if count == self.lines then
        break
      end
    end
    position = position - 1
  end
  if position >= 1 and position >= first then
    first = position + 1
  elseif first > 1 then
    -- At a line's beginning, if one is near; else within the line.
    local feed = find(text, "\n", first, true)
    first = feed and feed < #text and feed + 1 or whole(text, first)
  end
  self.left_out = self.left_out + first - 1
  self.pieces = { first == 1 and text or sub(text, first) }
  self.size = #self.pieces[1]
end

-- The next few lines, at most so many bytes, and how many bytes were left out before them. "" when nothing waits.
function Tail:take(lines, bytes)
  if self.size == 0 then
    return "", 0
  end
  if self.bytes and self.size > CUT_FROM then
    self:cut()
  end
  local text = #self.pieces == 1 and self.pieces[1] or table.concat(self.pieces)
  local last = math.min(#text, bytes)
  local position = 1
  for _ = 1, lines do
    local feed = find(text, "\n", position, true)
    if feed == nil or feed >= last then
      position = nil
      break
    end
    position = feed + 1
  end
  if position then
    last = position - 1
  elseif last < #text then
    last = math.max(1, whole(text, last + 1) - 1)
  end
  local left_out = self.left_out
  self.left_out = 0
  self.pieces = last == #text and {} or { sub(text, last + 1) }
  self.size = #text - last
  return sub(text, 1, last), left_out
end

return M
