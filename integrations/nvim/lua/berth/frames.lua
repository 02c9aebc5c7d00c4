-- SPDX-License-Identifier: Apache-2.0

-- ttrpc frames: bytes and nothing else. A header is length, stream id (both big-endian), type and flags.

local errors = require("berth.errors")
local messages = require("berth.messages")

local byte, char, sub, floor = string.byte, string.char, string.sub, math.floor

local M = { REQUEST = 1, RESPONSE = 2, DATA = 3, REMOTE_CLOSED = 1, NO_DATA = 4 }

M.HEADER_SIZE = 10
M.MAX_DATA = 4 * 2 ^ 20

local function u32(value)
  return char(floor(value / 2 ^ 24), floor(value / 2 ^ 16) % 256, floor(value / 256) % 256, value % 256)
end

-- A frame in one string, so that it goes out in one write.
function M.encode(stream, kind, flags, data)
  return u32(#data) .. u32(stream) .. char(kind, flags) .. data
end

-- The data of a Request; `timeout` in milliseconds, nil is none.
function M.request(service, method, payload, timeout, metadata)
  local request = { service = service, method = method, payload = payload, metadata = metadata }
  if timeout then
    -- A time-out that has passed must not become 0, which is none.
    request.timeout_nano = math.max(1, floor(timeout * 1e6))
  end
  local body = messages.Request:encode(request)
  if #body > M.MAX_DATA then
    errors.raise("RESOURCE_EXHAUSTED", ("the request has %d bytes, and %d is the most that goes in one"):format(#body, M.MAX_DATA))
  end
  return body
end

local Decoder = {}
Decoder.__index = Decoder

-- Cuts what comes, in pieces of any size, into frames.
function M.decoder()
  return setmetatable({ pieces = {}, size = 0, wanted = M.HEADER_SIZE }, Decoder)
end

-- Calls `deliver(stream, kind, flags, data)` for every frame that is complete with this. Returns what is wrong with what
-- cannot be framed: the connection is of no more use then.
function Decoder:feed(chunk, deliver)
  self.pieces[#self.pieces + 1] = chunk
  -- No frame begins so, for its length would be too much: it is an alert, the last that a server of TLS says.
  if sub(self.pieces[1], 1, 2) == "\21\3" then
    return "it speaks TLS, which Neovim has not: connect to a tunnel that ends on this machine, such as stunnel"
  end
  self.size = self.size + #chunk
  -- What is not complete is only joined when it is: a large frame would be copied for each of its pieces.
  if self.size < self.wanted then
    return nil
  end
  local data = #self.pieces == 1 and chunk or table.concat(self.pieces)
  local position = 1
  self.wanted = M.HEADER_SIZE
  while #data - position + 1 >= M.HEADER_SIZE do
    local l1, l2, l3, l4, s1, s2, s3, s4, kind, flags = byte(data, position, position + 9)
    local length = l1 * 2 ^ 24 + l2 * 2 ^ 16 + l3 * 256 + l4
    if length > M.MAX_DATA then
      return ("the server sent a frame of %d bytes, and %d is the most there is"):format(length, M.MAX_DATA)
    end
    local finish = position + M.HEADER_SIZE + length - 1
    if finish > #data then
      self.wanted = M.HEADER_SIZE + length
      break
    end
    deliver(s1 * 2 ^ 24 + s2 * 2 ^ 16 + s3 * 256 + s4, kind, flags, sub(data, position + M.HEADER_SIZE, finish))
    position = finish + 1
  end
  self.pieces = position > #data and {} or { sub(data, position) }
  self.size = #data - position + 1
  return nil
end

return M
