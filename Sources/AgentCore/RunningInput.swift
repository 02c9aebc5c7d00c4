// SPDX-License-Identifier: Apache-2.0

internal import AgentSchema
internal import BerthSchema
internal import CAgent
internal import Glibc

/// The agent's side of a program's standard input: the writing end of its pipe, or its terminal, and what to write there.
struct RunningInput: ~Copyable {
    var queue: InputQueue
    var descriptor: Descriptor?
    /// On a terminal whose input has ended: when to type the end-of-file character next.
    private(set) var endDue: UInt64?
    private var endDelay = RunningInput.firstDelay
    private static let firstDelay: UInt64 = 10_000_000
    private static let maxDelay: UInt64 = 500_000_000

    init(_ request: Agent.ExecuteRequest) {
        queue = InputQueue(first: request.stdin, hasEnd: !request.keepsStdinOpen)
    }

    /// Calls that can be answered.
    struct Answers {
        var taken: [InputQueue.Call] = []
        /// Calls whose bytes will not be read any more.
        var refused: [InputQueue.Call] = []
    }

    var raw: Int32? {
        switch descriptor {
        case .some(let descriptor): descriptor.raw
        case nil: nil
        }
    }

    /// Whether nothing waits, and nothing more will come.
    var isEmpty: Bool { queue.hasEnd && queue.waiting == 0 }

    /// Writes as much as possible now, and the end after the last byte.
    mutating func feed(isTerminal: Bool, now: @autoclosure () -> UInt64) -> Answers {
        // After the end, only repeated calls are answered.
        guard let raw = descriptor?.raw else { return Answers(taken: queue.answerable()) }
        var isBroken = false
        func put(_ bytes: UnsafeRawBufferPointer) -> Int {
            while true {
                let count = write(raw, bytes.baseAddress, bytes.count)
                if count >= 0 { return count }
                if errno == EINTR { continue }
                isBroken = errno != EAGAIN
                return -1
            }
        }
        queue.drain(put)
        if isBroken { return Answers(refused: close()) }
        let answers = Answers(taken: queue.answerable())
        guard isEmpty else { return answers }
        if isTerminal { typeEnd(raw, now: now()) } else { descriptor = nil }
        return answers
    }

    /// Types the end-of-file character when the program has read everything before it, and again whenever it has read that
    /// one: a character typed before a shell or an interpreter has set its terminal up is lost, and other programs on the
    /// same terminal need an end as well. So the end persists, as that of a pipe does.
    private mutating func typeEnd(_ raw: Int32, now: UInt64) {
        if let endDue, now < endDue { return }
        endDue = now + endDelay
        endDelay = min(2 * endDelay, RunningInput.maxDelay)
        guard berth_has_unread_input(raw) <= 0 else { return }
        var keys: (UInt8, UInt8) = (0, 0)
        let hasLineBegun = queue.last.map { $0 != UInt8(ascii: "\n") && $0 != UInt8(ascii: "\r") } ?? false
        withUnsafeMutableBytes(of: &keys) { keys in
            let base = keys.bindMemory(to: UInt8.self).baseAddress
            let count = base.map { berth_end_of_file_keys(raw, hasLineBegun ? 1 : 0, $0) } ?? 0
            if count > 0 { _ = write(raw, base, Int(count)) }
        }
    }

    /// Closes the input, since nothing reads it any more.
    /// - Returns: the waiting calls.
    mutating func close() -> [InputQueue.Call] {
        descriptor = nil
        endDue = nil
        return queue.close()
    }
}
