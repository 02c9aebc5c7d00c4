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

    /// On this queue alone.
    private let queue = DispatchQueue(label: "berth.signals")
    private var sources: [any DispatchSourceSignal] = []
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

    private func handle(_ number: Int32, _ handler: @escaping () -> Void) {
        signal(number, SIG_IGN)
        let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
        source.setEventHandler(handler: handler)
        sources.append(source)
        source.resume()
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
