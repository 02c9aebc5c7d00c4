// SPDX-License-Identifier: Apache-2.0

/// Extracts the message from the output of a tool written in Go: runc, skopeo, umoci.
package enum ToolMessage {
    /// `time="…" level=error msg="runc run failed: …"` → `runc run failed: …`; other lines as they are, joined.
    package static func parse(_ output: String) -> String {
        let lines = output.split(whereSeparator: \.isNewline).map { line -> String in
            guard let start = line.range(of: "msg=\"") else { return String(line) }
            var message = ""
            var isEscaped = false
            for character in line[start.upperBound...] {
                if isEscaped {
                    message.append(character == "n" || character == "t" ? " " : character)
                    isEscaped = false
                } else if character == "\\" {
                    isEscaped = true
                } else if character == "\"" {
                    break
                } else {
                    message.append(character)
                }
            }
            return message
        }
        return lines.isEmpty ? "it said nothing" : lines.suffix(4).joined(separator: "; ")
    }

    static func lastLine(_ output: String) -> String {
        let lines = output.split(whereSeparator: \.isNewline)
        return lines.last.map { parse(String($0)) } ?? "it said nothing"
    }
}

extension Substring {
    fileprivate func range(of text: String) -> Range<Index>? {
        var start = startIndex
        while start < endIndex {
            if self[start...].hasPrefix(text) { return start..<index(start, offsetBy: text.count) }
            start = index(after: start)
        }
        return nil
    }
}
