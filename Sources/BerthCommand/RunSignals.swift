// SPDX-License-Identifier: Apache-2.0

import Console
import Dispatch

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// The signals that this program gets while another runs for it.
final class RunSignals: @unchecked Sendable {
    /// How far the wish to end has gone.
    enum Urgency {
        case first
        /// The second time, or 2 s later.
        case again
        /// The third time, or another 2 s later.
        case last
    }

    /// Where a signal's handler, which may do next to nothing, writes its number.
    nonisolated(unsafe) private static var arrivals: Int32 = -1

    /// On this queue alone.
    private let queue = DispatchQueue(label: "berth.signals")
    private let source: any DispatchSourceRead
    private var handlers: [Int32: () -> Void] = [:]
    private var first: Int32?
    private var count = 0
    private let end: @Sendable (_ signal: Int32, Urgency) -> Void

    /// - Parameters:
    ///   - terminal: the local terminal is passed through: signals that would leave it raw are taken too, and it follows
    ///     a stop and a change of size.
    ///   - resized: the window has, or may have, another size.
    ///   - end: this program was told to end.
    init(
        terminal: Bool, resized: @escaping @Sendable () -> Void,
        end: @escaping @Sendable (_ signal: Int32, Urgency) -> Void
    ) {
        self.end = end
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { preconditionFailure("no descriptor is left for a pipe") }
        for end in ends { _ = fcntl(end, F_SETFL, O_NONBLOCK) }
        RunSignals.arrivals = ends[1]
        source = DispatchSource.makeReadSource(fileDescriptor: ends[0], queue: queue)
        source.setEventHandler { [weak self, arrivals = ends[0]] in
            var numbers = [UInt8](repeating: 0, count: 64)
            let count = read(arrivals, &numbers, numbers.count)
            for number in numbers.prefix(max(0, count)) { self?.handlers[Int32(number)]?() }
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

    /// The first signal to end.
    var received: Int32? { queue.sync { first } }

    private func handle(_ number: Int32, _ handler: @escaping @Sendable () -> Void) {
        queue.sync { handlers[number] = handler }
        signal(number) { number in
            let saved = errno
            var number = UInt8(truncatingIfNeeded: number)
            _ = write(RunSignals.arrivals, &number, 1)
            errno = saved
        }
    }

    private func ending(_ number: Int32) {
        count += 1
        if first == nil { first = number }
        switch count {
        case 1: end(number, .first)
        case 2: end(number, .again)
        default: return end(number, .last)
        }
        let now = count
        queue.asyncAfter(deadline: .now() + .seconds(2)) { [weak self] in
            guard let self, count == now else { return }
            ending(number)
        }
    }
}
