// SPDX-License-Identifier: Apache-2.0

extension TarReader {
    /// What extended headers say about the entry that follows them.
    struct Changes {
        var name: [UInt8]?
        var link: [UInt8]?
        var size: UInt64?
        var modified: (seconds: Int64, nanoseconds: Int64)?
        var sparse: SparseHeaders?
        var comment: String?

        /// Adds records of the form `LENGTH KEY=VALUE\n`, where LENGTH is that of the whole record.
        mutating func add(_ records: [UInt8]) throws(FileError) {
            var rest = records[...]
            while let first = rest.first, first != 0 {
                let digits = rest.prefix { $0 != 0x20 }
                guard digits.count <= 8, let length = Int(String(decoding: digits, as: UTF8.self)),
                    length > digits.count + 2, length <= rest.count
                else {
                    throw FileError(
                        .invalidArgument, "the archive is damaged: an extended header makes no sense", .badArchive)
                }
                let record = rest.prefix(length - 1).dropFirst(digits.count + 1)
                rest = rest.dropFirst(length)
                guard let equals = record.firstIndex(of: UInt8(ascii: "=")) else { continue }
                let value = record[(equals + 1)...]
                switch String(decoding: record[..<equals], as: UTF8.self) {
                case "path": name = Array(value)
                case "linkpath": link = Array(value)
                case "size": size = UInt64(String(decoding: value, as: UTF8.self)).map { min($0, UInt64(Int64.max)) }
                case "mtime": modified = Changes.time(String(decoding: value, as: UTF8.self))
                case "comment": comment = String(decoding: value, as: UTF8.self)
                case let key where key.hasPrefix("GNU.sparse."):
                    if sparse == nil { sparse = SparseHeaders() }
                    sparse?.add(key.dropFirst("GNU.sparse.".count), value)
                default: break
                }
            }
        }

        /// Reads a time such as `-1.25`, which is 1.25 s before 1970.
        private static func time(_ text: String) -> (Int64, Int64)? {
            let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
            guard let first = parts.first, let seconds = Int64(first), seconds.magnitude < 1 << 40 else { return nil }
            guard parts.count > 1 else { return (seconds, 0) }
            let digits = parts[1].prefix(9)
            guard let fraction = Int64("\(digits)\(String(repeating: "0", count: 9 - digits.count))"), fraction >= 0
            else {
                return nil
            }
            if text.hasPrefix("-"), fraction > 0 { return (seconds - 1, 1_000_000_000 - fraction) }
            return (seconds, fraction)
        }
    }
}
