// SPDX-License-Identifier: Apache-2.0

import Berth
import BerthSchema

extension ModelServer {
    /// Maximum bytes of a picture, and maximum number of entries of a directory, in one result.
    private static let maxPicture = 3 << 20
    private static let maxEntries = 500

    func write(_ path: String, _ content: [UInt8], _ session: Session) async throws -> ToolResult {
        try await client.writeFile(path, content, in: session.lease, createsParents: true)
        return ToolResult(
            [.text("wrote \(content.count == 1 ? "1 byte" : "\(content.count) bytes") to \(path)")],
            structured: JSONObject([("path", .string(path)), ("bytes", JSONValue(content.count))]))
    }

    func read(
        _ path: String, _ offset: UInt64, _ length: Int, _ encoding: ToolCall.Encoding, _ session: Session
    ) async throws -> ToolResult {
        let content = client.readFile(path, in: session.lease, offset: offset, length: UInt64(length))
        let bytes = try await content.collect(limit: length)
        let size = content.info?.size ?? UInt64(bytes.count)
        var structured = JSONObject([
            ("path", .string(path)), ("size", JSONValue(size)), ("offset", JSONValue(offset)),
        ])
        if offset == 0, encoding == .text, let mime = Picture.type(of: bytes) {
            guard size <= UInt64(Self.maxPicture) else {
                return .failure(
                    "\(path) is a picture (\(mime)) of \(size) bytes, and \(Self.maxPicture) can be shown: make it smaller"
                )
            }
            let whole =
                size == UInt64(bytes.count)
                ? bytes : try await client.readFile(path, in: session.lease).collect(limit: Self.maxPicture)
            structured["bytes"] = JSONValue(whole.count)
            structured["picture"] = .string(mime)
            return ToolResult(
                [.text("\(path): \(mime), \(whole.count) bytes"), .picture(mime: mime, bytes: whole)],
                structured: structured)
        }
        let part: (text: String, bytes: Int)
        switch encoding {
        case .base64: part = (Base64.encode(bytes), bytes.count)
        case .text:
            guard let text = Picture.wholeText(bytes, isLast: offset + UInt64(bytes.count) >= size) else {
                return .failure(
                    "\(path) is not UTF-8 text from byte \(offset) on (\(size) bytes in all): read it with `encoding` "
                        + "base64, or look at it with run_command, for example `file` or `xxd | head`")
            }
            part = (text, text.utf8.count)
        }
        structured["bytes"] = JSONValue(part.bytes)
        structured["content"] = .string(part.text)
        structured["encoding"] = .string(encoding.rawValue)
        let end = offset + UInt64(part.bytes)
        var blocks: [ToolResult.Block] = [.text(part.text)]
        if end < size {
            blocks.append(
                .text(
                    "[bytes \(offset) to \(end) of \(size); read on with `offset` \(end), or pick lines with run_command]"
                ))
        } else if part.bytes == 0 {
            blocks = [
                .text(size == 0 ? "[the file is empty]" : "[the file has \(size) bytes, and nothing from \(offset) on]")
            ]
        }
        return ToolResult(blocks, structured: structured)
    }

    func list(_ path: String, _ session: Session) async throws -> ToolResult {
        let all = try await client.list(path, in: session.lease)
        let entries = all.prefix(Self.maxEntries)
        var lines = ["\(path): \(all.count == 1 ? "1 entry" : "\(all.count) entries")"]
        var listed: [JSONValue] = []
        for entry in entries {
            let name = "\(entry.name)"
            var member = JSONObject([
                ("name", .string(name)), ("type", .string(entry.type.word)), ("size", JSONValue(entry.size)),
            ])
            switch entry.type {
            case .directory: lines.append("\(name)/")
            case .symbolicLink:
                let target = String(decoding: entry.linkTarget, as: UTF8.self)
                member["target"] = .string(target)
                lines.append("\(name) -> \(target)")
            default: lines.append("\(name)  \(entry.size)")
            }
            listed.append(.object(member))
        }
        let leftOut = all.count - entries.count
        if leftOut > 0 {
            lines.append("[\(leftOut) more were left out: look with run_command, for example `ls | tail`]")
        }
        return ToolResult(
            [.text(lines.joined(separator: "\n"))],
            structured: JSONObject([
                ("path", .string(path)), ("entries", .array(listed)), ("left_out", JSONValue(leftOut)),
            ]))
    }
}

/// What a file's bytes are.
enum Picture {
    /// The MIME type of a picture that models can look at, by its first bytes.
    static func type(of bytes: [UInt8]) -> String? {
        if bytes.starts(with: [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]) { return "image/png" }
        if bytes.starts(with: [0xff, 0xd8, 0xff]) { return "image/jpeg" }
        if bytes.starts(with: Array("GIF87a".utf8)) || bytes.starts(with: Array("GIF89a".utf8)) { return "image/gif" }
        if bytes.starts(with: Array("RIFF".utf8)), bytes.dropFirst(8).starts(with: Array("WEBP".utf8)) {
            return "image/webp"
        }
        return nil
    }

    /// The text in whole characters: a part may begin and end within one. Nil if it is not UTF-8.
    static func wholeText(_ bytes: [UInt8], isLast: Bool) -> String? {
        var whole = WholeCharacters()
        let taken = isLast ? bytes : whole.take(bytes)
        guard !taken.contains(0) else { return nil }
        return String(validating: taken, as: UTF8.self)
    }
}

extension FileType {
    fileprivate var word: String {
        switch self {
        case .regular: "file"
        case .directory: "directory"
        case .symbolicLink: "link"
        case .other, .unspecified: "other"
        }
    }
}
