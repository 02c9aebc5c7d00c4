// SPDX-License-Identifier: Apache-2.0

/// Standard input on its way to a program: bytes that were accepted and not written yet, and the calls that wait for them.
///
/// A call is answered once its bytes are written, or are among the next `ahead` to be: so a program that reads nothing
/// holds its writer back, and a slow one never waits for the next call.
struct InputQueue {
    /// Bytes beyond what the pipe holds for which no call waits.
    static let ahead: UInt64 = 64 << 10
    /// Bytes of one call.
    static let largestCall = 256 << 10
    /// Bytes that wait, of one execution, what its request began with aside.
    static let capacity = 1 << 20
    /// Calls that wait, of one execution.
    static let maxCalls = 16

    enum Refusal: Error, Equatable {
        /// Bytes before these are missing.
        case gap(expected: UInt64)
        /// The input has ended before these.
        case ended(at: UInt64)
        /// It is said to end before bytes that have come already.
        case endsEarly(expected: UInt64)
        /// The program reads no more.
        case closed
        case full
    }

    struct Call: Equatable {
        let streamID: UInt32
        /// The offset after its bytes.
        let end: UInt64
    }

    private var pieces: [[UInt8]] = []
    /// Bytes of the first piece that are written.
    private var start = 0
    private var calls: [Call] = []
    private let capacity: Int
    /// The offset of the next byte that is expected.
    private(set) var expected: UInt64
    /// Bytes that are not written.
    private(set) var waiting: Int
    /// Nothing more comes.
    private(set) var hasEnd: Bool
    private var isClosed = false
    /// The last byte that was written.
    private(set) var last: UInt8?

    /// - Parameters:
    ///   - first: bytes that no call waits for.
    ///   - hasEnd: nothing more comes.
    init(first: [UInt8], hasEnd: Bool) {
        expected = UInt64(first.count)
        waiting = first.count
        capacity = first.count + InputQueue.capacity
        self.hasEnd = hasEnd
        if !first.isEmpty { pieces.append(first) }
    }

    var waitingCalls: Int { calls.count }

    /// Takes what is new of a call's bytes, and the call, which `answerable` then gives back.
    mutating func add(_ bytes: [UInt8], at offset: UInt64, isEnd: Bool, streamID: UInt32) throws(Refusal) {
        if isClosed { throw .closed }
        guard offset <= expected else { throw .gap(expected: expected) }
        let known = expected - offset
        let new = known >= UInt64(bytes.count) ? [] : known == 0 ? bytes : Array(bytes[Int(known)...])
        if hasEnd, !new.isEmpty { throw .ended(at: expected) }
        // Said again, by a call that was repeated, an end changes nothing.
        if isEnd, known > UInt64(bytes.count) { throw .endsEarly(expected: expected) }
        guard waiting + new.count <= capacity, calls.count < InputQueue.maxCalls else { throw .full }
        if isEnd { hasEnd = true }
        expected += UInt64(new.count)
        waiting += new.count
        if !new.isEmpty { pieces.append(new) }
        calls.append(Call(streamID: streamID, end: expected))
    }

    /// Writes what `write` takes: it returns how many bytes, or less than 1 when it takes none now.
    mutating func drain(_ write: (UnsafeRawBufferPointer) -> Int) {
        while let piece = pieces.first {
            let count = piece.withUnsafeBytes { write(UnsafeRawBufferPointer(rebasing: $0[start...])) }
            guard count > 0 else { return }
            start += count
            waiting -= count
            last = piece[start - 1]
            guard start == piece.count else { continue }
            pieces.removeFirst()
            start = 0
        }
    }

    /// The calls that wait no longer.
    mutating func answerable() -> [Call] {
        let reach = expected - UInt64(waiting) + InputQueue.ahead
        let count = calls.prefix { $0.end <= reach }.count
        guard count > 0 else { return [] }
        defer { calls.removeFirst(count) }
        return Array(calls[..<count])
    }

    /// The program reads no more, or is no more.
    /// - Returns: the calls that wait, which are to be refused.
    mutating func close() -> [Call] {
        defer {
            isClosed = true
            pieces = []
            calls = []
            waiting = 0
        }
        return calls
    }
}
