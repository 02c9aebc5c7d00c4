internal import CLinux
internal import Glibc
internal import Schema

/// A program's standard input, as the agent holds it: the writing end of its pipe, or its terminal, and what is to go there.
struct RunningInput: ~Copyable {
    var queue: InputQueue
    var descriptor: Descriptor?
    /// It was told its end.
    private var isAtEnd = false

    init(_ request: Agent.ExecuteRequest) {
        queue = InputQueue(first: request.stdin, hasEnd: !request.keepsStdinOpen)
    }

    /// Calls that wait no longer.
    struct Answers {
        var taken: [InputQueue.Call] = []
        /// What they wait for is not read any more.
        var refused: [InputQueue.Call] = []
    }

    var raw: Int32? {
        switch descriptor {
        case .some(let descriptor): descriptor.raw
        case nil: nil
        }
    }

    /// There is none, and will be none.
    var isEmpty: Bool { queue.hasEnd && queue.waiting == 0 }

    /// Writes what is taken now, and the end after the last byte.
    mutating func feed(isTerminal: Bool) -> Answers {
        // At its end, a call that is repeated is answered.
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
        guard isEmpty, !isAtEnd else { return answers }
        if isTerminal {
            var keys: (UInt8, UInt8) = (0, 0)
            let hasLineBegun = queue.last.map { $0 != UInt8(ascii: "\n") && $0 != UInt8(ascii: "\r") } ?? false
            withUnsafeMutableBytes(of: &keys) { keys in
                let base = keys.bindMemory(to: UInt8.self).baseAddress
                let count = base.map { berth_end_of_file_keys(raw, hasLineBegun ? 1 : 0, $0) } ?? 0
                isAtEnd = count == 0 || put(UnsafeRawBufferPointer(rebasing: keys[..<Int(count)])) > 0
            }
        } else {
            isAtEnd = true
            descriptor = nil
        }
        return answers
    }

    /// Nothing reads any more.
    /// - Returns: calls that wait.
    mutating func close() -> [InputQueue.Call] {
        descriptor = nil
        return queue.close()
    }
}
