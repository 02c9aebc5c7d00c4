// SPDX-License-Identifier: Apache-2.0

import Console
import Dispatch

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Handles the signals that berth gets while a program runs.
final class RunSignals: @unchecked Sendable {
    /// How urgent it is to end.
    enum Urgency {
        case first
        /// The second time, or 2 s later.
        case again
        /// The third time, or another 2 s later. Nothing gets more urgent by itself while the output waits for its reader.
        case last
    }

    /// The queue on which everything is used.
    private let queue = DispatchQueue(label: "berth.signals")
    private let pipe = SignalPipe()
    private let source: any DispatchSourceRead
    private var handlers: [Int32: () -> Void] = [:]
    private var first: Int32?
    private var count = 0
    private let isUnread: @Sendable () -> Bool
    private let end: @Sendable (_ signal: Int32, Urgency) -> Void

    /// - Parameters:
    ///   - terminal: whether the local terminal is in raw mode. Then signals that would leave it so are handled, too,
    ///     and so are stop and continue.
    ///   - resized: called when the size of the window may have changed.
    ///   - isUnread: whether nobody reads the output at the moment. The program may have ended without berth's knowledge then,
    ///     and to be more urgent would only cost the last of its output.
    ///   - end: called when a signal asks berth to end.
    init(
        terminal: Bool, resized: @escaping @Sendable () -> Void, isUnread: @escaping @Sendable () -> Bool = { false },
        end: @escaping @Sendable (_ signal: Int32, Urgency) -> Void
    ) {
        self.isUnread = isUnread
        self.end = end
        source = DispatchSource.makeReadSource(fileDescriptor: pipe.descriptor, queue: queue)
        source.setEventHandler { [weak self, pipe] in
            while let number = pipe.next() { self?.handlers[number]?() }
        }
        source.resume()
        for number in [SIGINT, SIGTERM] + (terminal ? [SIGHUP, SIGQUIT] : []) {
            handle(number) { [weak self] in self?.ending(number) }
        }
        handle(SIGWINCH, resized)
        guard terminal else { return }
        handle(SIGTSTP) {
            LocalTerminal.restore()
            kill(getpid(), SIGSTOP)
        }
        handle(SIGCONT) {
            LocalTerminal.enterRaw()
            resized()
        }
    }

    /// The first signal that asked berth to end.
    var received: Int32? { queue.sync { first } }

    private func handle(_ number: Int32, _ handler: @escaping @Sendable () -> Void) {
        queue.sync { handlers[number] = handler }
        pipe.take(number)
    }

    private func ending(_ number: Int32) {
        count += 1
        if first == nil { first = number }
        switch count {
        case 1: end(number, .first)
        case 2: end(number, .again)
        default: return end(number, .last)
        }
        urge(number, after: count)
    }

    /// Asks again by itself if nobody else has meanwhile.
    private func urge(_ number: Int32, after now: Int) {
        queue.asyncAfter(deadline: .now() + .seconds(2)) { [weak self] in
            guard let self, count == now else { return }
            if isUnread() { urge(number, after: now) } else { ending(number) }
        }
    }
}
