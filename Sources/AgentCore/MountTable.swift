// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// A mount, from a line of /proc/self/mountinfo.
struct Mount: Equatable {
    let path: String
    let type: String
    let isWritable: Bool

    /// Parses `36 35 98:0 /root /path rw,noatime shared:1 - tmpfs source rw,size=1k`. The number of fields before the hyphen
    /// varies.
    init?(line: Substring) {
        let words = line.split(separator: " ")
        guard words.count >= 10, let hyphen = words[6...].firstIndex(of: "-"), hyphen + 3 < words.count else {
            return nil
        }
        path = Mount.unescaped(words[4])
        type = String(words[hyphen + 1])
        let options = words[5].split(separator: ",") + words[hyphen + 3].split(separator: ",")
        isWritable = !options.contains("ro")
    }

    /// Replaces escapes such as `\040`, which the kernel uses for blanks.
    private static func unescaped(_ text: Substring) -> String {
        guard text.contains("\\") else { return String(text) }
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let first = rest.popFirst() {
            let digits = rest.prefix(3)
            if first == UInt8(ascii: "\\"), digits.count == 3,
                let code = UInt8(String(decoding: digits, as: UTF8.self), radix: 8)
            {
                bytes.append(code)
                rest = rest.dropFirst(3)
            } else {
                bytes.append(first)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// All mounts of a table; nil if a line cannot be parsed.
    static func all(in table: [UInt8]) -> [Mount]? {
        var mounts: [Mount] = []
        for line in String(decoding: table, as: UTF8.self).split(separator: "\n") {
            guard let mount = Mount(line: line) else { return nil }
            mounts.append(mount)
        }
        return mounts
    }
}

/// The content of a file; nil if it cannot be read.
func readAll(path: String) -> [UInt8]? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    return withUnsafeTemporaryAllocation(byteCount: 16 << 10, alignment: 1) { buffer in
        while true {
            let count = read(descriptor, buffer.baseAddress, buffer.count)
            if count < 0, errno == EINTR { continue }
            if count <= 0 { return count == 0 ? bytes : nil }
            bytes += buffer[..<count]
        }
    }
}
