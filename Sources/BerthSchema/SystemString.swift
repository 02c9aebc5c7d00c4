// SPDX-License-Identifier: Apache-2.0

/// Text as Linux defines it: bytes without NUL, which are nearly always UTF-8. Usually it is stored as a `String` and
/// costs no more than one; bytes that are not UTF-8 are kept unchanged.
public struct SystemString: Sendable, Hashable, ExpressibleByStringInterpolation, CustomStringConvertible {
    private enum Storage: Sendable, Hashable {
        case text(String)
        /// Bytes that are not UTF-8.
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

    /// - Throws: `SchemaError` if it holds a NUL, which would end it early.
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

    /// Nil if it is not UTF-8.
    public var text: String? {
        if case .text(let text) = storage { text } else { nil }
    }

    public var bytes: [UInt8] {
        switch storage {
        case .text(let text): Array(text.utf8)
        case .bytes(let bytes): bytes
        }
    }

    /// The text for people, with U+FFFD for bytes that are not UTF-8.
    public var description: String {
        switch storage {
        case .text(let text): text
        case .bytes(let bytes): String(decoding: bytes, as: UTF8.self)
        }
    }

    /// The length in bytes.
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

/// Text for Linux: a `String`, or a `SystemString` if it may not be UTF-8.
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
    /// Whether all of them are UTF-8.
    package var isExact: Bool { allSatisfy { $0.text != nil } }
}
