// SPDX-License-Identifier: Apache-2.0

internal import AgentSchema

/// What an interpreter has said on its control and the agent has not taken yet. Bounded; no I/O.
struct ControlReader {
    enum Item: Equatable {
        case needMore
        case word(ContextControl.Kind, [UInt8])
        /// An event begins; its bytes are taken with `takeEvent`.
        case event
        /// What it says is nonsense.
        case invalid(String)
    }

    /// Bytes that are held, at most.
    static let capacity = 64 << 10

    private var buffer: [UInt8] = []
    private var start = 0
    /// Bytes of an event that are still to be taken, its front included.
    private(set) var eventLeft = 0
    /// Bytes of an event, at most, without its front.
    var maxEvent = 0

    private var held: ArraySlice<UInt8> { buffer[start...] }
    var hasBytes: Bool { start < buffer.count }
    var room: Int { ControlReader.capacity - held.count }

    mutating func append(_ bytes: UnsafeRawBufferPointer) {
        if start > 0 {
            buffer.removeFirst(start)
            start = 0
        }
        buffer.append(contentsOf: bytes)
    }

    /// What comes next, when no event is being taken.
    mutating func next() -> Item {
        let head: ContextControl.Head
        switch ContextControl.head(held) {
        case .needMore: return .needMore
        case .invalid: return .invalid("nonsense")
        case .head(let known): head = known
        }
        if head.kind.isEvent {
            guard head.size <= maxEvent else {
                return .invalid("an event of \(head.size) bytes, more than the most, \(maxEvent)")
            }
            eventLeft = head.length + head.size
            return .event
        }
        guard head.size <= ContextControl.maxWord else { return .invalid("a word of \(head.size) bytes") }
        guard held.count >= head.length + head.size else { return .needMore }
        defer { start += head.length + head.size }
        return .word(head.kind, Array(held[(start + head.length)..<(start + head.length + head.size)]))
    }

    /// Bytes of the event that are here, at most so many.
    mutating func takeEvent(_ limit: Int) -> [UInt8] {
        let count = min(limit, eventLeft, held.count)
        defer {
            start += count
            eventLeft -= count
        }
        return Array(held.prefix(count))
    }
}
