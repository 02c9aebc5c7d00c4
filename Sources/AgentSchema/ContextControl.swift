// SPDX-License-Identifier: Apache-2.0

/// The messages of an interpreter on its control channel: a letter, the size of the content in decimal digits, a line
/// feed, and the content. Code of a piece can write there, too, so nothing is trusted.
public enum ContextControl {
    public enum Kind: UInt8, Sendable, Equatable {
        /// The interpreter takes pieces. The content is its version, and for a copy also its pid.
        case ready = 0x72  // r
        /// The interpreter waits for the code of the announced piece, or for the descriptors of its copy.
        case go = 0x67  // g
        /// A piece has ended. The content is its number, its exit code and, if known, CPU times in microseconds.
        case ended = 0x65  // e
        /// The interpreter has forked itself. The content is the number of the copy's execution and, if it could not, the
        /// reason. A copy sends it, too, if it can't become one.
        case copied = 0x78  // x
        // The content is a message of berth.v1:
        case display = 0x64  // d
        case failure = 0x66  // f
        case prompt = 0x70  // p
        case completion = 0x63  // c
        case inspection = 0x69  // i

        /// Whether it is passed on to the server unchanged.
        public var isEvent: Bool {
            switch self {
            case .ready, .go, .ended, .copied: false
            case .display, .failure, .prompt, .completion, .inspection: true
            }
        }
    }

    /// The part of a message before its content.
    public struct Head: Sendable, Equatable {
        public var kind: Kind
        /// Bytes of the head itself, including the line feed.
        public var length: Int
        /// Bytes of the content.
        public var size: Int
    }

    public enum Reading: Sendable, Equatable {
        case head(Head)
        case needMore
        /// The bytes can't become a head.
        case invalid
    }

    /// SIGSTKFLT, which nothing else uses. An interpreter ends itself by it when control was closed or replaced by a piece, and
    /// it can't report the end of that any more.
    public static let lossSignal: Int32 = 16

    /// Maximum bytes of a head: a letter, nine digits and the line feed.
    public static let maxHead = 11
    /// Maximum bytes of the content, unless it is an event.
    public static let maxWord = 256

    /// Maximum bytes of an event that is not a display.
    public static let largestText = 1 << 20

    public static func head(_ bytes: some RandomAccessCollection<UInt8>) -> Reading {
        guard let first = bytes.first else { return .needMore }
        guard let kind = Kind(rawValue: first) else { return .invalid }
        var size = 0
        var length = 1
        for byte in bytes.dropFirst() {
            length += 1
            if byte == UInt8(ascii: "\n"), length > 2 {
                return .head(Head(kind: kind, length: length, size: size))
            }
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte), length < maxHead else { return .invalid }
            size = size * 10 + Int(byte - UInt8(ascii: "0"))
        }
        return length < maxHead ? .needMore : .invalid
    }
}
