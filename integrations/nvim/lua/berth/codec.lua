-- SPDX-License-Identifier: Apache-2.0

-- Protocol Buffers, as far as proto3 messages need them: a message type is a list of fields, from which encoding and
-- decoding follow. messages.lua, which is generated, has the lists.
--
-- A decoded message has every field: numbers are 0, strings "", lists and maps {} when they did not come; messages, and
-- members of a oneof, are nil then. Numbers of 64 bits are exact up to 2^53.

local byte, char, sub, floor = string.byte, string.char, string.sub, math.floor
local tobit = require("bit").tobit

local M = {}

local VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5

-- What is decoded comes from outside: errors of this kind are caught where it came in.
local DecodeError = {}
DecodeError.__index = DecodeError
DecodeError.__tostring = function(self)
  return self.message
end

local function fail(message)
  error(setmetatable({ message = message }, DecodeError), 0)
end

function M.is_decode_error(value)
  return getmetatable(value) == DecodeError
end

-- MARK: Writing

local function varint(value)
  if value < 0 then
    -- Two's complement in 64 bits: the high half of small negative numbers is all ones.
    local low, high = value % 2 ^ 32, floor(value / 2 ^ 32) % 2 ^ 32
    local bytes = {}
    for index = 1, 10 do
      local seven = low % 128
      low = floor(low / 128) + (high % 128) * 2 ^ 25
      high = floor(high / 128)
      bytes[index] = char(index < 10 and seven + 128 or seven)
    end
    return table.concat(bytes)
  end
  if value < 128 then
    return char(value)
  end
  local bytes, count = {}, 0
  while value >= 128 do
    count = count + 1
    bytes[count] = char(value % 128 + 128)
    value = floor(value / 128)
  end
  bytes[count + 1] = char(value)
  return table.concat(bytes)
end

local function delimited(data)
  return varint(#data) .. data
end

-- MARK: Reading: each takes a string, a position and the end of what may be read, and returns a value and the next position

-- Both halves of a number of 64 bits.
local function read_halves(data, position, last)
  local low, high, shift = 0, 0, 0
  for _ = 1, 10 do
    if position > last then
      fail("the message ends in the middle of a field")
    end
    local next_byte = byte(data, position)
    position = position + 1
    local seven = next_byte % 128
    if shift < 28 then
      low = low + seven * 2 ^ shift
    elseif shift == 28 then
      low = low + (seven % 16) * 2 ^ 28
      high = floor(seven / 16)
    else
      high = high + seven * 2 ^ (shift - 32)
    end
    if next_byte < 128 then
      return low, high % 2 ^ 32, position
    end
    shift = shift + 7
  end
  fail("a number does not end")
end

local function read_unsigned(data, position, last)
  local first = position <= last and byte(data, position) or 128
  if first < 128 then
    return first, position + 1
  end
  local low, high
  low, high, position = read_halves(data, position, last)
  return high * 2 ^ 32 + low, position
end

local function read_uint32(data, position, last)
  local low, _, after = read_halves(data, position, last)
  return low, after
end

local function read_int32(data, position, last)
  local low, _, after = read_halves(data, position, last)
  return tobit(low), after
end

local function read_int64(data, position, last)
  local low, high, after = read_halves(data, position, last)
  if high >= 2 ^ 31 then
    high = high - 2 ^ 32
  end
  return high * 2 ^ 32 + low, after
end

local function read_bool(data, position, last)
  local value, after = read_unsigned(data, position, last)
  return value ~= 0, after
end

-- Where a field of bytes begins and ends.
local function read_span(data, position, last)
  local length, start = read_unsigned(data, position, last)
  local finish = start + length - 1
  if finish > last then
    fail("the message ends in the middle of a field")
  end
  return start, finish
end

local function read_bytes(data, position, last)
  local start, finish = read_span(data, position, last)
  return sub(data, start, finish), finish + 1
end

local function read_double(data, position, last)
  if position + 7 > last then
    fail("the message ends in the middle of a field")
  end
  local b1, b2, b3, b4, b5, b6, b7, b8 = byte(data, position, position + 7)
  local exponent = (b8 % 128) * 16 + floor(b7 / 16)
  local fraction = (b7 % 16) * 2 ^ 48 + b6 * 2 ^ 40 + b5 * 2 ^ 32 + b4 * 2 ^ 24 + b3 * 2 ^ 16 + b2 * 2 ^ 8 + b1
  local value
  if exponent == 2047 then
    value = fraction == 0 and math.huge or 0 / 0
  elseif exponent == 0 then
    value = math.ldexp(fraction, -1074)
  else
    value = math.ldexp(fraction + 2 ^ 52, exponent - 1075)
  end
  return b8 >= 128 and -value or value, position + 8
end

local function skip(data, position, last, wire_type)
  local after
  if wire_type == VARINT then
    local _
    _, _, after = read_halves(data, position, last)
  elseif wire_type == LENGTH then
    local _, finish = read_span(data, position, last)
    after = finish + 1
  elseif wire_type == FIXED64 then
    after = position + 8
  elseif wire_type == FIXED32 then
    after = position + 4
  else
    fail("wire type " .. wire_type .. " is none")
  end
  if after > last + 1 then
    fail("the message ends in the middle of a field")
  end
  return after
end

-- MARK: Types

local function encode_bool(value)
  return value and "\1" or "\0"
end

local function encode_double()
  -- Only the server sends one.
  error("numbers with a fraction are only read")
end

-- What a scalar type is on the wire, how it is written and read, and what it is when it did not come.
local SCALARS = {
  string = { LENGTH, delimited, read_bytes, "" },
  bytes = { LENGTH, delimited, read_bytes, "" },
  bool = { VARINT, encode_bool, read_bool, false },
  uint32 = { VARINT, varint, read_uint32, 0 },
  int32 = { VARINT, varint, read_int32, 0 },
  enum = { VARINT, varint, read_int32, 0 },
  uint64 = { VARINT, varint, read_unsigned, 0 },
  int64 = { VARINT, varint, read_int64, 0 },
  double = { FIXED64, encode_double, read_double, 0 },
}

function M.is_scalar(name)
  return SCALARS[name] ~= nil
end

local Message = {}
Message.__index = Message

local function new_field(registry, number, name, type, label)
  local scalar = SCALARS[type]
  local field = { number = number, name = name, label = label, registry = registry, type = type, is_message = scalar == nil }
  field.wire_type = scalar and scalar[1] or LENGTH
  field.write, field.read, field.zero = scalar and scalar[2], scalar and scalar[3], scalar and scalar[4]
  field.tag = varint(number * 8 + (label == "map" and LENGTH or field.wire_type))
  if label == "map" then
    field.entry = M.message(registry, "entry", { { 1, "key", "string" }, { 2, "value", type } })
  end
  return field
end

-- A message type. Fields are { number, name, type, label }: the type is a scalar's name, or that of a message in `registry`;
-- the label nil, "repeated", "optional" (a message, or a member of a oneof) or "map", then the type is the values'.
function M.message(registry, name, fields)
  local self = setmetatable({ name = name, fields = {}, by_number = {} }, Message)
  for index, words in ipairs(fields) do
    local field = new_field(registry, words[1], words[2], words[3], words[4])
    self.fields[index] = field
    self.by_number[field.number] = field
  end
  return self
end

local function encode_one(field, value)
  if field.is_message then
    return field.tag .. delimited(field.registry[field.type]:encode(value))
  end
  return field.tag .. field.write(value)
end

-- What is left out of a message is not sent. A field that the type does not have is a mistake of ours.
function Message:encode(message)
  local parts = {}
  local given = 0
  for _, field in ipairs(self.fields) do
    local value = message[field.name]
    if value ~= nil then
      given = given + 1
      if field.label == "repeated" then
        for _, each in ipairs(value) do
          parts[#parts + 1] = encode_one(field, each)
        end
      elseif field.label == "map" then
        for key, each in pairs(value) do
          parts[#parts + 1] = field.tag .. delimited(field.entry:encode({ key = key, value = each }))
        end
      elseif field.label == "optional" or value ~= field.zero then
        parts[#parts + 1] = encode_one(field, value)
      end
    end
  end
  for _ in pairs(message) do
    given = given - 1
  end
  assert(given == 0, "a message of " .. self.name .. " has a field that its type has not")
  return table.concat(parts)
end

local function decode_one(field, data, position, last)
  if field.is_message then
    local start, finish = read_span(data, position, last)
    return field.registry[field.type]:decode(data, start, finish), finish + 1
  end
  return field.read(data, position, last)
end

local function decode_field(field, message, wire_type, data, position, last)
  if field.label == "map" and wire_type == LENGTH then
    local start, finish = read_span(data, position, last)
    local entry = field.entry:decode(data, start, finish)
    message[field.name][entry.key] = entry.value
    return finish + 1
  elseif field.label == "repeated" and wire_type == LENGTH and field.wire_type ~= LENGTH then
    local start, finish = read_span(data, position, last)
    local list = message[field.name]
    while start <= finish do
      list[#list + 1], start = decode_one(field, data, start, finish)
    end
    return finish + 1
  elseif wire_type ~= field.wire_type then
    return skip(data, position, last, wire_type)
  elseif field.label == "repeated" then
    local list = message[field.name]
    list[#list + 1], position = decode_one(field, data, position, last)
    return position
  end
  message[field.name], position = decode_one(field, data, position, last)
  return position
end

-- Raises a decode error for what is no message. `first` and `last` bound the bytes, which are all of `data` without them.
function Message:decode(data, first, last)
  local position = first or 1
  last = last or #data
  local message = {}
  for _, field in ipairs(self.fields) do
    if field.label == "repeated" or field.label == "map" then
      message[field.name] = {}
    elseif field.label ~= "optional" then
      message[field.name] = field.zero
    end
  end
  while position <= last do
    local tag
    tag, position = read_unsigned(data, position, last)
    local number = floor(tag / 8)
    if number == 0 then
      fail("a field has the number 0")
    end
    local field = self.by_number[number]
    if field == nil then
      position = skip(data, position, last, tag % 8)
    else
      position = decode_field(field, message, tag % 8, data, position, last)
    end
  end
  return message
end

return M
