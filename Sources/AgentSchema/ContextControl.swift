// SPDX-License-Identifier: Apache-2.0

/// What an interpreter that takes pieces of code says on its control: a letter, the size of what follows in decimal digits,
/// a line feed, and what follows. Code of a piece may write there too, so nothing of it is believed.
public enum ContextControl {
    public enum Kind: UInt8, Sendable, Equatable {
        /// It takes pieces; its version follows.
        case ready = 0x72  // r
        /// It waits for the code of the piece that it was told of.
        case go = 0x67  // g
        /// A piece has ended: its number, its exit code and, where known, CPU times in microseconds.
        case ended = 0x65  // e
        // Messages of berth.v1:
        case display = 0x64  // d
        case failure = 0x66  // f
        case prompt = 0x70  // p
        case completion = 0x63  // c
        case inspection = 0x69  // i

        /// It is passed on to the server as it is.
        public var isEvent: Bool {
            switch self {
            case .ready, .go, .ended: false
            case .display, .failure, .prompt, .completion, .inspection: true
            }
        }
    }

    /// The front of what is said.
    public struct Head: Sendable, Equatable {
        public var kind: Kind
        /// Bytes of the front itself, the line feed included.
        public var length: Int
        /// Bytes that follow.
        public var size: Int
    }

    public enum Reading: Sendable, Equatable {
        case head(Head)
        case needMore
        /// It is none, whatever comes.
        case invalid
    }

    /// Bytes of a front, at most: a letter, nine digits and the line feed.
    public static let maxHead = 11
    /// Bytes of what follows where it is no event, at most.
    public static let maxWord = 256

    /// Bytes of an event that is no display, at most.
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
