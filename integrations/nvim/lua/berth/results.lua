-- SPDX-License-Identifier: Apache-2.0

-- From the contract's messages to what callers get.

local messages = require("berth.messages")

local M = {}

-- By their numbers on the wire.
M.STREAMS = { [0] = "stdout", [1] = "stderr" }
-- Where each is counted; what a piece of code shows is counted as if it were a stream of bytes.
M.INDEX = { stdout = 1, stderr = 2 }
M.SHOWN = 3

local function words(values)
  local names = {}
  for name, number in pairs(values) do
    names[number] = number ~= 0 and name:lower() or "unknown"
  end
  return names
end

local CAUSES, FAILURES, FILE_TYPES = words(messages.EndCause), words(messages.StartFailure), words(messages.FileType)
M.BREAKERS = { [0] = "closed", [1] = "open", [2] = "half_open" }

function M.ended(message)
  local usage = message.usage or {}
  return {
    cause = CAUSES[message.cause] or "unknown", exit_code = message.exit_code, signal = message.signal, message = message.message,
    start_failure = message.start_failure ~= 0 and (FAILURES[message.start_failure] or "unknown") or nil,
    is_ok = message.cause == messages.EndCause.EXITED and message.exit_code == 0,
    wall = (usage.wall_us or 0) / 1000, user = (usage.user_us or 0) / 1000, system = (usage.system_us or 0) / 1000,
    peak_memory = usage.peak_memory_bytes or 0, stdout_bytes = message.stdout_bytes, stderr_bytes = message.stderr_bytes,
    stdout_truncated = message.stdout_truncated, stderr_truncated = message.stderr_truncated,
    out_of_memory_kills = message.out_of_memory_kills, is_context_lost = message.context_lost,
  }
end

-- How an execution ended, in words.
function M.describe(ended)
  local text = ended.cause:gsub("_", " ")
  if ended.cause == "exited" then
    text = text .. " with " .. ended.exit_code
  elseif ended.signal ~= 0 then
    text = text .. (" (signal %d)"):format(ended.signal)
  end
  return ended.message == "" and text or (text .. ": " .. ended.message)
end

-- What is there by MIME types.
function M.forms(data)
  local forms = {}
  for _, form in ipairs(data) do
    forms[form.mime] = form.data
  end
  return forms
end

-- An event of what a piece of code shows; nil for one that is not known here.
function M.shown(message)
  if message.display then
    local display = message.display
    local left_out = {}
    for _, each in ipairs(display.left_out) do
      left_out[each.mime] = each.bytes
    end
    return {
      type = "display", position = display.position, data = M.forms(display.data), id = display.id, is_update = display.update,
      is_result = display.result, left_out = left_out,
    }
  elseif message.failure then
    local failure = message.failure
    return {
      type = "failure", position = failure.position, name = failure.name, message = failure.message, traceback = failure.traceback,
    }
  elseif message.prompt then
    local prompt = message.prompt
    return { type = "prompt", position = prompt.position, text = prompt.text, is_password = prompt.password }
  end
  return nil
end

function M.file_info(info)
  return {
    name = info.name_raw ~= "" and info.name_raw or info.name, type = FILE_TYPES[info.type] or "unknown", size = info.size,
    mode = info.mode, modified_us = info.modified_us, uid = info.uid, gid = info.gid, link_target = info.link_target,
  }
end

function M.execution_info(info)
  return {
    id = info.execution, argv = #info.argv_raw > 0 and info.argv_raw or info.argv, age = info.age_ms, watchers = info.watchers,
    stdout_bytes = info.stdout_bytes, stderr_bytes = info.stderr_bytes, stdout_held_from = info.stdout_held_from,
    stderr_held_from = info.stderr_held_from, context = info.context, ended = info.ended and M.ended(info.ended),
  }
end

return M
