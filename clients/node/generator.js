// SPDX-License-Identifier: Apache-2.0

// Makes messages.js and messages.d.ts of a FileDescriptorSet: generator.js SET DIRECTORY. Called by ./generate.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SCALAR_TYPES, message } from "./src/codec.js";

// As much of google/protobuf/descriptor.proto as is needed here.
const Field = message("FieldDescriptorProto", [
  [1, "name", "string"], [3, "number", "int32"], [4, "label", "enum"], [5, "type", "enum"], [6, "typeName", "string"],
  [9, "oneofIndex", "int32", "optional"], [17, "proto3Optional", "bool"],
]);
const EnumValue = message("EnumValueDescriptorProto", [[1, "name", "string"], [2, "number", "int32"]]);
const Enum = message("EnumDescriptorProto", [[1, "name", "string"], [2, "values", () => EnumValue, "repeated"]]);
const Options = message("MessageOptions", [[7, "mapEntry", "bool"]]);
const Type = message("DescriptorProto", [
  [1, "name", "string"], [2, "fields", () => Field, "repeated"], [3, "nested", () => Type, "repeated"],
  [4, "enums", () => Enum, "repeated"], [7, "options", () => Options, "optional"],
]);
const Location = message("Location", [[1, "path", "int32", "repeated"], [3, "leading", "string"], [4, "trailing", "string"]]);
const SourceInfo = message("SourceCodeInfo", [[1, "locations", () => Location, "repeated"]]);
const File = message("FileDescriptorProto", [
  [1, "name", "string"], [2, "package", "string"], [4, "types", () => Type, "repeated"], [5, "enums", () => Enum, "repeated"],
  [9, "source", () => SourceInfo, "optional"],
]);
const FileSet = message("FileDescriptorSet", [[1, "files", () => File, "repeated"]]);

const TYPES = {
  1: "double", 3: "int64", 4: "uint64", 5: "int32", 8: "bool", 9: "string", 11: "message", 12: "bytes", 13: "uint32", 14: "enum",
};
const REPEATED = 3;
const TYPESCRIPT = { string: "string", bytes: "Uint8Array", bool: "boolean" };

const camel = (name) => name.replace(/_([a-z0-9])/g, (_, letter) => letter.toUpperCase());
const local = (typeName) => typeName.slice(typeName.lastIndexOf(".") + 1);

/** What a field is: its codec's type and label, and its type in TypeScript. */
function shape(field, owner) {
  const type = TYPES[field.type];
  if (type === undefined) throw new Error(`${owner.name}.${field.name}: type ${field.type} is not supported`);
  if (type === "message") {
    const entry = owner.nested.find((nested) => nested.options?.mapEntry && field.typeName.endsWith(`.${owner.name}.${nested.name}`));
    if (entry !== undefined) {
      const [key, value] = entry.fields;
      if (TYPES[key.type] !== "string") throw new Error(`${owner.name}.${field.name}: only strings are keys here`);
      const of = shape(value, owner);
      return { codec: of.codec, label: "map", typescript: `{ [key: string]: ${of.typescript} }` };
    }
  } else if (!SCALAR_TYPES.includes(type)) {
    throw new Error(`${owner.name}.${field.name}: the codec knows no ${type}`);
  }
  const one = type === "message" || type === "enum" ? local(field.typeName) : TYPESCRIPT[type] ?? "number";
  const isOptional = field.oneofIndex !== undefined || type === "message";
  return {
    codec: type === "message" ? `() => ${local(field.typeName)}` : `"${type}"`,
    label: field.label === REPEATED ? "repeated" : isOptional ? "optional" : "",
    typescript: field.label === REPEATED ? `${one}[]` : one,
  };
}

function comments(file) {
  const found = new Map();
  for (const { path, leading, trailing } of file.source?.locations ?? []) {
    if (leading || trailing) found.set(path.join("."), (leading || trailing).trim().replace(/\s*\n\s*/g, " ").replace(/\*\//g, ""));
  }
  return (path, indent = "") => (found.has(path) ? `${indent}/** ${found.get(path)} */\n` : "");
}

function generate(files) {
  let code = `// Generated from proto/ by ./generate. Do not edit.\n\nimport { message } from "./codec.js";\n`;
  let types = `// Generated from proto/ by ./generate. Do not edit.\n
/** Encodes and decodes messages of a type. What is left out of a message to encode is not sent. */
export interface MessageType<T> {
  readonly name: string;
  encode(message: Partial<T>): Uint8Array;
  decode(bytes: Uint8Array): T;
  create(): T;
}
`;
  for (const file of files) {
    const comment = comments(file);
    file.enums.forEach(({ name, values }, index) => {
      const pairs = values.map(({ name, number }) => `${name}: ${number}`).join(", ");
      code += `\nexport const ${name} = Object.freeze({ ${pairs} });\n`;
      types += `\n${comment(`5.${index}`)}export type ${name} = number;\nexport const ${name}: {\n`;
      values.forEach((value, position) => {
        types += `${comment(`5.${index}.2.${position}`, "  ")}  readonly ${value.name}: ${value.number};\n`;
      });
      types += "};\n";
    });
    file.types.forEach((type, index) => {
      code += `\nexport const ${type.name} = message("${file.package}.${type.name}", [\n`;
      types += `\n${comment(`4.${index}`)}export interface ${type.name} {\n`;
      type.fields.forEach((field, position) => {
        const { codec, label, typescript } = shape(field, type);
        const name = camel(field.name);
        code += `  [${field.number}, "${name}", ${codec}${label ? `, "${label}"` : ""}],\n`;
        types += comment(`4.${index}.2.${position}`, "  ") + `  ${name}${label === "optional" ? "?" : ""}: ${typescript};\n`;
      });
      code += "]);\n";
      types += `}\nexport const ${type.name}: MessageType<${type.name}>;\n`;
    });
  }
  return { code, types };
}

const [set, directory] = process.argv.slice(2);
const { code, types } = generate(FileSet.decode(readFileSync(set)).files);
writeFileSync(join(directory, "messages.js"), code);
writeFileSync(join(directory, "messages.d.ts"), types);
