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
  -- What waits is `head` from `position` on, and the pieces after it.
  return setmetatable({ lines = lines, bytes = bytes, head = "", position = 1, pieces = {}, size = 0, left_out = 0 }, Tail)
end

function Tail:add(text)
  self.pieces[#self.pieces + 1] = text
  self.size = self.size + #text
  self.is_cut = false
  if self.bytes and self.size > 2 * self.bytes then
    self:cut()
  end
end

-- Back from a position to the beginning of the character there, if there is one.
local function whole(text, position)
  for back = position, math.max(1, position - 3), -1 do
    local first = byte(text, back) or 0
    if first < 128 or first >= 192 then
      return back
    end
  end
  return position
end

-- All that waits, in one piece.
local function join(self)
  self.head = sub(self.head, self.position) .. table.concat(self.pieces)
  self.pieces, self.position = {}, 1
  return self.head
end

-- Leaves out what is before the last lines.
function Tail:cut()
  local text = join(self)
  self.is_cut = true
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
  self.head = sub(text, first)
  self.size = #self.head
end

-- The next few lines, at most so many bytes, and how many bytes were left out before them. "" when nothing waits.
function Tail:take(lines, bytes)
  if self.size == 0 then
    return "", 0
  end
  if self.bytes and self.size > CUT_FROM and not self.is_cut then
    self:cut()
  elseif self.position > #self.head then
    join(self)
  end
  local text, first = self.head, self.position
  local last = math.min(#text, first + bytes - 1)
  local position = first
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
    last = math.max(first, whole(text, last + 1) - 1)
  end
  local left_out = self.left_out
  self.left_out = 0
  self.position = last + 1
  self.size = self.size - (last - first + 1)
  return sub(text, first, last), left_out
end

return M
