// SPDX-License-Identifier: Apache-2.0

/// Standard input for a program: bytes that were accepted and not written yet, and the calls that wait for them.
///
/// A call is answered when its bytes are written, or are among the next `ahead` bytes to write: so a program that reads nothing
/// holds its writer back, and a slow one does not wait for the next call.
package struct InputQueue {
    /// Bytes beyond the pipe's capacity for which no call waits.
    package static let ahead: UInt64 = 64 << 10
    /// Maximum bytes of one call.
    package static let largestCall = 256 << 10
    /// Maximum bytes that wait for one execution, without the input in its request.
    static let capacity = 1 << 20
    /// Maximum number of calls that wait for one execution.
    static let maxCalls = 16

    package enum Refusal: Error, Equatable {
        /// Bytes before these are missing.
        case gap(expected: UInt64)
        /// The input has ended before these bytes.
        case ended(at: UInt64)
        /// The call ends the input before bytes that were accepted already.
        case endsEarly(expected: UInt64)
        /// The program no longer reads.
        case closed
        case full
    }

    package struct Call: Equatable {
        package let streamID: UInt32
        /// The offset after its bytes.
        package let end: UInt64
    }

    private var pieces: [[UInt8]] = []
    /// How many bytes of the first piece are written.
    private var start = 0
    private var calls: [Call] = []
    private let capacity: Int
    private let ahead: UInt64
    /// Offset of the next expected byte.
    package private(set) var expected: UInt64
    /// Number of bytes that are not written.
    package private(set) var waiting: Int
    /// Whether the end of the input was accepted.
    package private(set) var hasEnd: Bool
    private var isClosed = false
    /// The last byte that was written.
    private(set) var last: UInt8?

    /// - Parameters:
    ///   - first: bytes that no call waits for.
    ///   - hasEnd: whether the input ends after them.
    ///   - ahead: how many bytes may wait to be written when a call is answered.
    package init(first: [UInt8], hasEnd: Bool, ahead: UInt64 = InputQueue.ahead) {
        self.ahead = ahead
        expected = UInt64(first.count)
        waiting = first.count
        capacity = first.count + InputQueue.capacity
        self.hasEnd = hasEnd
        if !first.isEmpty { pieces.append(first) }
    }

    var waitingCalls: Int { calls.count }

    /// Accepts the new part of a call's bytes, and the call, which `answerable` returns later.
    package mutating func add(_ bytes: [UInt8], at offset: UInt64, isEnd: Bool, streamID: UInt32) throws(Refusal) {
        if isClosed { throw .closed }
        guard offset <= expected else { throw .gap(expected: expected) }
        let known = expected - offset
        let new = known >= UInt64(bytes.count) ? [] : known == 0 ? bytes : Array(bytes[Int(known)...])
        if hasEnd, !new.isEmpty { throw .ended(at: expected) }
        // A repeated call may contain the end again, which changes nothing.
        if isEnd, known > UInt64(bytes.count) { throw .endsEarly(expected: expected) }
        guard waiting + new.count <= capacity, calls.count < InputQueue.maxCalls else { throw .full }
        if isEnd { hasEnd = true }
        expected += UInt64(new.count)
        waiting += new.count
        if !new.isEmpty { pieces.append(new) }
        calls.append(Call(streamID: streamID, end: expected))
    }

    /// Writes as much as possible with `write`, which returns the number of bytes, or less than 1 if none can be written now.
    package mutating func drain(_ write: (UnsafeRawBufferPointer) -> Int) {
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

    /// Removes and returns the calls that can be answered.
    package mutating func answerable() -> [Call] {
        let reach = expected - UInt64(waiting) + ahead
        let count = calls.prefix { $0.end <= reach }.count
        guard count > 0 else { return [] }
        defer { calls.removeFirst(count) }
        return Array(calls[..<count])
    }

    /// The program no longer reads, or has ended.
    /// - Returns: the waiting calls, which must be refused.
    package mutating func close() -> [Call] {
        defer {
            isClosed = true
            pieces = []
            calls = []
            waiting = 0
        }
        return calls
    }
}
