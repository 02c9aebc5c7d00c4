-- SPDX-License-Identifier: Apache-2.0

-- Bytes that come in pieces, as UTF-8: no character is divided, and what is none becomes U+FFFD.

local byte, sub, find = string.byte, string.sub, string.find

local M = {}

local REPLACEMENT = "\239\191\189"

-- How many bytes at `position` are a character; 0 when they are the beginning of one that is not whole yet. Else nil, and how
-- many of them one U+FFFD stands for: as many as could begin a character.
local function character(data, position)
  local first = byte(data, position)
  local low, high = 128, 191
  local length
  if first < 128 then
    return 1
  elseif first >= 194 and first <= 223 then
    length = 2
  elseif first >= 224 and first <= 239 then
    length = 3
    low = first == 224 and 160 or 128
    high = first == 237 and 159 or 191
  elseif first >= 240 and first <= 244 then
    length = 4
    low = first == 240 and 144 or 128
    high = first == 244 and 143 or 191
  else
    return nil, 1
  end
  for index = 1, length - 1 do
    local following = byte(data, position + index)
    if following == nil then
      return 0
    elseif following < low or following > high then
      return nil, index
    end
    low, high = 128, 191
  end
  return length
end

-- `data` as whole characters, and what of its end is not one yet.
local function decode(data)
  local parts = {}
  local start, position = 1, find(data, "[\128-\255]")
  while position do
    local length, bad = character(data, position)
    if length == 0 then
      parts[#parts + 1] = sub(data, start, position - 1)
      return table.concat(parts), sub(data, position)
    elseif length then
      position = position + length
    else
      parts[#parts + 1] = sub(data, start, position - 1)
      parts[#parts + 1] = REPLACEMENT
      position = position + bad
      start = position
    end
    position = find(data, "[\128-\255]", position)
  end
  if start == 1 then
    return data, ""
  end
  parts[#parts + 1] = sub(data, start)
  return table.concat(parts), ""
end

-- With U+FFFD for what is not UTF-8.
function M.clean(data)
  local text, rest = decode(data)
  return rest == "" and text or text .. REPLACEMENT
end

function M.is_valid(data)
  local text, rest = decode(data)
  return rest == "" and text == data
end

local Reader = {}
Reader.__index = Reader

function M.reader()
  return setmetatable({ rest = "" }, Reader)
end

-- The whole characters of what came by now.
function Reader:feed(data)
  if self.rest ~= "" then
    data = self.rest .. data
  end
  local text
  text, self.rest = decode(data)
  return text
end

-- As `feed`, but what is not UTF-8 is left as it is, for `clean` when it is looked at: this costs the same however long it is.
function Reader:hold(data)
  if self.rest ~= "" then
    data = self.rest .. data
    self.rest = ""
  end
  for length = 1, math.min(3, #data) do
    local last = byte(data, -length)
    if last >= 192 then
      if character(sub(data, -length), 1) == 0 then
        self.rest = sub(data, -length)
        return sub(data, 1, -length - 1)
      end
      return data
    elseif last < 128 then
      return data
    end
  end
  return data
end

-- What is left at the end, or before a gap.
function Reader:finish()
  local text = self.rest == "" and "" or REPLACEMENT
  self.rest = ""
  return text
end

return M
