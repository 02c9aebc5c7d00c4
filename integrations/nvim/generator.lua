-- SPDX-License-Identifier: Apache-2.0

-- Makes messages.lua of a FileDescriptorSet. Called by ./generate, which says the files' names in BERTH_SET and BERTH_OUT.

local codec = require("berth.codec")

-- As much of google/protobuf/descriptor.proto as is needed here.
local descriptors = {}
for name, fields in pairs({
  FileSet = { { 1, "files", "File", "repeated" } },
  File = { { 2, "package", "string" }, { 4, "types", "Type", "repeated" }, { 5, "enums", "Enum", "repeated" } },
  Type = {
    { 1, "name", "string" }, { 2, "fields", "Field", "repeated" }, { 3, "nested", "Type", "repeated" },
    { 7, "options", "Options", "optional" },
  },
  Field = {
    { 1, "name", "string" }, { 3, "number", "int32" }, { 4, "label", "enum" }, { 5, "type", "enum" },
    { 6, "type_name", "string" }, { 9, "oneof_index", "int32", "optional" },
  },
  Options = { { 7, "map_entry", "bool" } },
  Enum = { { 1, "name", "string" }, { 2, "values", "Value", "repeated" } },
  Value = { { 1, "name", "string" }, { 2, "number", "int32" } },
}) do
  descriptors[name] = codec.message(descriptors, name, fields)
end

local TYPES = {
  [1] = "double", [3] = "int64", [4] = "uint64", [5] = "int32", [8] = "bool", [9] = "string", [11] = "message", [12] = "bytes",
  [13] = "uint32", [14] = "enum",
}
local REPEATED = 3

local function kind(field, owner)
  local name = assert(TYPES[field.type], owner.name .. "." .. field.name .. ": its type is not supported")
  return name == "message" and field.type_name:match("[^.]*$") or name
end

-- The codec's type and label of a field.
local function shape(field, owner)
  local of = kind(field, owner)
  for _, nested in ipairs(owner.nested) do
    if nested.options and nested.options.map_entry and nested.name == of then
      assert(kind(nested.fields[1], nested) == "string", owner.name .. "." .. field.name .. ": only strings are keys here")
      return kind(nested.fields[2], nested), "map"
    end
  end
  if field.label == REPEATED then
    return of, "repeated"
  end
  return of, (field.oneof_index or not codec.is_scalar(of)) and "optional" or nil
end

local function generate(set)
  local lines = {
    "-- Generated from proto/ by ./generate. Do not edit.", "", 'local message = require("berth.codec").message', "",
    "local M = {}",
  }
  local function say(...)
    lines[#lines + 1] = string.format(...)
  end
  for _, file in ipairs(set.files) do
    for _, enum in ipairs(file.enums) do
      say("\nM.%s = {", enum.name)
      for _, value in ipairs(enum.values) do
        say("  %s = %d,", value.name, value.number)
      end
      say("}")
    end
    for _, type in ipairs(file.types) do
      say("\nM.%s = message(M, %q, {", type.name, file.package .. "." .. type.name)
      for _, field in ipairs(type.fields) do
        local of, label = shape(field, type)
        say("  { %d, %q, %q%s },", field.number, field.name, of, label and (", %q"):format(label) or "")
      end
      say("})")
    end
  end
  say("\nreturn M")
  return table.concat(lines, "\n") .. "\n"
end

local function main()
  local input = assert(io.open(os.getenv("BERTH_SET"), "rb"))
  local code = generate(descriptors.FileSet:decode(input:read("*a")))
  input:close()
  local output = assert(io.open(os.getenv("BERTH_OUT"), "wb"))
  output:write(code)
  output:close()
end

local is_done, problem = xpcall(main, debug.traceback)
if not is_done then
  io.stderr:write(problem, "\n")
end
vim.cmd(is_done and "qall!" or "cquit")
