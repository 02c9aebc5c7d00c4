// SPDX-License-Identifier: Apache-2.0

internal import AgentSchema
internal import BerthSchema

/// Assembles the events of a piece of code from the bytes that the agent passes on. No I/O.
///
/// A program may have written the bytes, so they are not trusted: an invalid event becomes a display that says so, and after
/// invalid framing no more events come.
struct EventAssembler {
    private let maxDisplay: Int
    private var maxEvent: Int { max(maxDisplay, ContextControl.largestText) }
    private var buffer: [UInt8] = []
    private var start = 0
    /// Bytes that are still to be skipped, of an event for which there was no memory.
    private var skipping: (left: Int, size: Int)?
    private var isReserved = false
    private(set) var isBroken = false
    /// Calls that examine code have only one event, the answer.
    private(set) var answer: (kind: ContextControl.Kind, bytes: [UInt8])?

    /// - Parameter maxDisplay: maximum bytes of one display.
    init(maxDisplay: Int = 0) {
        self.maxDisplay = maxDisplay
    }

    mutating func append(_ bytes: some Sequence<UInt8>) {
        guard !isBroken else { return }
        if start > 0 {
            buffer.removeFirst(start)
            start = 0
        }
        buffer.append(contentsOf: bytes)
    }

    /// The next complete event, in the encoding in which it is held.
    /// - Parameter reserve: reserves memory; returns false if there is not enough.
    mutating func next(reserve: (Int) -> Bool) -> [UInt8]? {
        while !isBroken {
            if let (left, size) = skipping {
                let count = min(left, buffer.count - start)
                start += count
                guard count == left else {
                    skipping = (left - count, size)
                    return nil
                }
                skipping = nil
                return ShownEvent.leftOut(size)
            }
            guard case .head(let head) = ContextControl.head(buffer[start...]) else {
                isBroken = ContextControl.head(buffer[start...]) == .invalid
                return nil
            }
            guard head.kind.isEvent, head.size <= maxEvent else {
                isBroken = true
                return nil
            }
            if !isReserved {
                guard reserve(head.size) else {
                    start += head.length
                    skipping = (head.size, head.size)
                    continue
                }
                isReserved = true
            }
            let end = start + head.length + head.size
            guard buffer.count >= end else { return nil }
            let payload = Array(buffer[(start + head.length)..<end])
            start = end
            isReserved = false
            switch head.kind {
            case .completion, .inspection: answer = (head.kind, payload)
            case .display where head.size > maxDisplay: return ShownEvent.leftOut(head.size)
            default:
                return ShownEvent.held(head.kind, payload) ?? ShownEvent.leftOut(head.size)
            }
        }
        return nil
    }
}
