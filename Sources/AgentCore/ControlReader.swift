// SPDX-License-Identifier: Apache-2.0

internal import AgentSchema

/// Bytes from an interpreter's control socket that the agent has not handled yet. Bounded; no I/O.
struct ControlReader {
    enum Item: Equatable {
        case needMore
        case word(ContextControl.Kind, [UInt8])
        /// An event begins; `takeEvent` returns its bytes.
        case event
        /// The bytes violate the protocol.
        case invalid(String)
    }

    /// Maximum bytes that are held.
    static let capacity = 64 << 10

    private var buffer: [UInt8] = []
    private var start = 0
    /// Bytes of the present event that are not taken yet, including its front.
    private(set) var eventLeft = 0
    /// Maximum bytes of an event, without its front.
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

    /// The next message; must not be called within an event.
    mutating func next() -> Item {
        let head: ContextControl.Head
        switch ContextControl.head(held) {
        case .needMore: return .needMore
        case .invalid: return .invalid("nonsense")
        case .head(let known): head = known
        }
        if head.kind.isEvent {
            guard head.size <= maxEvent else {
                return .invalid("an event of \(head.size) bytes, more than the maximum, \(maxEvent)")
            }
            eventLeft = head.length + head.size
            return .event
        }
        guard head.size <= ContextControl.maxWord else { return .invalid("a word of \(head.size) bytes") }
        guard held.count >= head.length + head.size else { return .needMore }
        defer { start += head.length + head.size }
        return .word(head.kind, Array(held[(start + head.length)..<(start + head.length + head.size)]))
    }

    /// The bytes of the event that have arrived, up to a maximum.
    mutating func takeEvent(_ limit: Int) -> [UInt8] {
        let count = min(limit, eventLeft, held.count)
        defer {
            start += count
            eventLeft -= count
        }
        return Array(held.prefix(count))
    }
}
