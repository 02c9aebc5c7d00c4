// SPDX-License-Identifier: Apache-2.0

internal import CLauncher

/// A message to or from a launcher: protocol.h says what is in it.
struct LauncherMessage {
    static let limit = Int(BERTH_LAUNCHER_MAX_MESSAGE)

    private(set) var bytes: [UInt8] = []

    init(_ kind: berth_launcher_kind, number: UInt64) {
        append(berth_launcher_header(version: BERTH_LAUNCHER_VERSION, kind: kind.rawValue, number: number))
    }

    /// - Returns: nil if a launcher cannot have sent this.
    init?(received bytes: [UInt8]) {
        guard bytes.count >= MemoryLayout<berth_launcher_header>.size else { return nil }
        self.bytes = bytes
        guard header.version == BERTH_LAUNCHER_VERSION else { return nil }
    }

    private var header: berth_launcher_header {
        bytes.withUnsafeBytes { $0.loadUnaligned(as: berth_launcher_header.self) }
    }
    var kind: UInt32 { header.kind }
    var number: UInt64 { header.number }

    private mutating func append(_ value: some BitwiseCopyable) {
        withUnsafeBytes(of: value) { bytes += $0 }
    }

    mutating func add(_ tag: berth_launcher_tag, _ content: [UInt8]) {
        append(berth_launcher_item(tag: tag.rawValue, length: UInt32(content.count)))
        bytes += content
    }

    mutating func add(_ tag: berth_launcher_tag, _ value: some BitwiseCopyable) {
        withUnsafeBytes(of: value) { add(tag, Array($0)) }
    }

    mutating func add(_ tag: berth_launcher_tag, _ strings: String...) {
        add(tag, Self.terminated(strings))
    }

    /// An item with a fixed part and strings.
    mutating func add(_ tag: berth_launcher_tag, head: some BitwiseCopyable, _ strings: String...) {
        withUnsafeBytes(of: head) { add(tag, Array($0) + Self.terminated(strings)) }
    }

    /// Each string with a NUL at its end; one within it would hide the rest.
    private static func terminated(_ strings: [String]) -> [UInt8] {
        strings.flatMap { Array($0.utf8.prefix { $0 != 0 }) + [0] }
    }

    /// The content of the first item with a tag.
    func item(_ tag: berth_launcher_tag) -> ArraySlice<UInt8>? {
        var rest = bytes[MemoryLayout<berth_launcher_header>.size...]
        let size = MemoryLayout<berth_launcher_item>.size
        while rest.count >= size {
            let head = rest.withUnsafeBytes { $0.loadUnaligned(as: berth_launcher_item.self) }
            rest = rest.dropFirst(size)
            guard head.length <= rest.count else { return nil }
            if head.tag == tag.rawValue { return rest.prefix(Int(head.length)) }
            rest = rest.dropFirst(Int(head.length))
        }
        return nil
    }

    func number(_ tag: berth_launcher_tag) -> UInt32? {
        guard let item = item(tag), item.count == 4 else { return nil }
        return item.withUnsafeBytes { $0.loadUnaligned(as: UInt32.self) }
    }

    func text(_ tag: berth_launcher_tag) -> String? {
        item(tag).map { String(decoding: $0, as: UTF8.self) }
    }
}
