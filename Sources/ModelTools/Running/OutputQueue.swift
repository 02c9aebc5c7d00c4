// SPDX-License-Identifier: Apache-2.0

import Console
import Dispatch
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// The lines that wait to be written, and the thread that writes them: a client that does not read holds up nobody else.
///
/// Its bound is kept by others: nothing is read from a client for which `limit` bytes wait, so that no more answers are
/// made than for the calls that are under way; progress is left out.
package final class OutputQueue: Sendable {
    /// Bytes that may wait before no more is read, and before progress is left out.
    package static let limit = 1 << 20
    private static let progressLimit = 64 << 10

    private struct State {
        var waiting: [UInt8] = []
        /// Bytes that are being written.
        var writing = 0
        var isScheduled = false
        var isBroken = false
    }

    private let descriptor: Int32
    private let queue = DispatchQueue(label: "berth.mcp.output")
    private let state = Mutex(State())
    private let broken: @Sendable () -> Void

    /// - Parameter broken: called once, when writing has failed: the client is gone.
    package init(_ descriptor: Int32, broken: @escaping @Sendable () -> Void) {
        self.descriptor = descriptor
        self.broken = broken
    }

    /// Bytes that nobody has read yet.
    package var count: Int { state.withLock { $0.waiting.count + $0.writing } }
    package var isFull: Bool { count > OutputQueue.limit }

    package func send(_ message: JSONValue) {
        var line = message.line
        line.append(UInt8(ascii: "\n"))
        add(line)
    }

    /// Sends it, unless much waits already.
    package func offer(_ message: JSONValue) {
        guard count <= OutputQueue.progressLimit else { return }
        send(message)
    }

    private func add(_ line: [UInt8]) {
        let isFirst = state.withLock { state in
            guard !state.isBroken else { return false }
            state.waiting += line
            defer { state.isScheduled = true }
            return !state.isScheduled
        }
        if isFirst { queue.async { self.write() } }
    }

    private func write() {
        while true {
            let bytes = state.withLock { state -> [UInt8] in
                let bytes = state.waiting
                state.waiting = []
                state.writing = bytes.count
                state.isScheduled = !bytes.isEmpty
                return bytes
            }
            if bytes.isEmpty { return }
            guard writeAll(bytes, to: descriptor) else {
                state.withLock { state in
                    state.isBroken = true
                    (state.waiting, state.writing) = ([], 0)
                }
                return broken()
            }
        }
    }

    /// Waits until everything is written, or `time` has passed.
    package func drain(for time: Duration) async {
        let end = ContinuousClock.now + time
        while count > 0, ContinuousClock.now < end { try? await Task.sleep(for: .milliseconds(5)) }
    }
}
