// SPDX-License-Identifier: Apache-2.0

/// Text as Linux knows it: bytes without a NUL, which nearly always are UTF-8. As a rule it is a `String` and costs no more
/// than one; what is not UTF-8 goes through unharmed all the same.
public struct SystemString: Sendable, Hashable, ExpressibleByStringInterpolation, CustomStringConvertible {
    private enum Storage: Sendable, Hashable {
        case text(String)
        /// Not UTF-8.
        case bytes([UInt8])
    }

    private let storage: Storage

    public init(_ text: String) {
        storage = .text(text)
    }

    public init(stringLiteral text: String) {
        storage = .text(text)
    }

    public init(_ bytes: [UInt8]) {
        storage = String(validating: bytes, as: UTF8.self).map { .text($0) } ?? .bytes(bytes)
    }

    /// - Throws: `SchemaError` when it holds a NUL, which would end it early.
    init(_ bytes: UnsafeRawBufferPointer, field: StaticString) throws(SchemaError) {
        var seen: UInt8 = 0
        for byte in bytes {
            guard byte != 0 else { throw SchemaError("\(field) holds a NUL byte") }
            seen |= byte
        }
        guard seen >= 0x80 else {
            storage = .text(try String(bytes, field: field))
            return
        }
        storage = String(validating: bytes, as: UTF8.self).map { .text($0) } ?? .bytes([UInt8](bytes))
    }

    /// nil where it is not UTF-8.
    public var text: String? {
        if case .text(let text) = storage { text } else { nil }
    }

    public var bytes: [UInt8] {
        switch storage {
        case .text(let text): Array(text.utf8)
        case .bytes(let bytes): bytes
        }
    }

    /// For people: what is not UTF-8 is shown as U+FFFD.
    public var description: String {
        switch storage {
        case .text(let text): text
        case .bytes(let bytes): String(decoding: bytes, as: UTF8.self)
        }
    }

    /// In bytes.
    public var count: Int {
        switch storage {
        case .text(let text): text.utf8.count
        case .bytes(let bytes): bytes.count
        }
    }

    public var isEmpty: Bool { count == 0 }

    public func hasPrefix(_ prefix: String) -> Bool {
        switch storage {
        case .text(let text): text.utf8.starts(with: prefix.utf8)
        case .bytes(let bytes): bytes.starts(with: prefix.utf8)
        }
    }

    public func contains(_ byte: UInt8) -> Bool {
        switch storage {
        case .text(let text): text.utf8.contains(byte)
        case .bytes(let bytes): bytes.contains(byte)
        }
    }

    public func withBytes<R>(_ body: (UnsafeBufferPointer<UInt8>) -> R) -> R {
        switch storage {
        case .text(var text): text.withUTF8(body)
        case .bytes(let bytes): bytes.withUnsafeBufferPointer(body)
        }
    }
}

/// What can stand where Linux wants bytes: a `String`, or a `SystemString` for what is not UTF-8.
public protocol SystemText: Sendable {
    var systemString: SystemString { get }
}

extension String: SystemText {
    public var systemString: SystemString { SystemString(self) }
}

extension SystemString: SystemText {
    public var systemString: SystemString { self }
}

extension [SystemString] {
    /// All of them are text.
    package var isExact: Bool { allSatisfy { $0.text != nil } }
}
