// SPDX-License-Identifier: Apache-2.0

import CHost
import Dispatch
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Calls `body`, on a queue of Dispatch, for each of these signals until the process ends. They do nothing else from now on.
func onSignals(_ numbers: [Int32], _ body: @escaping @Sendable (Int32) -> Void) {
    for number in numbers {
        berth_ignore_signal(number)
        let source = DispatchSource.makeSignalSource(signal: number)
        // The handler holds its source: of a variable that is not used again, an optimized build lets go at once.
        // One that came before there was a source, after another program's place was taken.
        source.setRegistrationHandler { if berth_noted_signal(number) != 0 { body(number) } }
        source.setEventHandler { withExtendedLifetime(source) { body(number) } }
        source.resume()
    }
}

/// A stream of SIGTERMs and SIGINTs.
struct EndSignals: Sendable {
    private final class Flag: Sendable {
        let isSet = Atomic(false)
    }

    private let stream: AsyncStream<Void>
    private let flag = Flag()

    init() {
        let (stream, continuation) = AsyncStream.makeStream(of: Void.self)
        self.stream = stream
        onSignals([SIGTERM, SIGINT]) { [flag] _ in
            flag.isSet.store(true, ordering: .sequentiallyConsistent)
            continuation.yield()
        }
    }

    /// Whether one has come.
    var hasCome: Bool { flag.isSet.load(ordering: .sequentiallyConsistent) }

    func next() async {
        for await _ in stream { return }
    }
}
