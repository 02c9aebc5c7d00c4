// SPDX-License-Identifier: Apache-2.0

import Dispatch

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Calls `body`, on a queue of Dispatch, for each of these signals until the process ends. They do nothing else from now on.
func onSignals(_ numbers: [Int32], _ body: @escaping @Sendable (Int32) -> Void) {
    for number in numbers {
        signal(number, SIG_IGN)
        let source = DispatchSource.makeSignalSource(signal: number)
        // The handler holds its source: of a variable that is not used again, an optimized build lets go at once.
        source.setEventHandler { withExtendedLifetime(source) { body(number) } }
        source.resume()
    }
}

/// A stream of SIGTERMs and SIGINTs.
struct EndSignals {
    private let stream: AsyncStream<Void>

    init() {
        let (stream, continuation) = AsyncStream.makeStream(of: Void.self)
        self.stream = stream
        onSignals([SIGTERM, SIGINT]) { _ in continuation.yield() }
    }

    func next() async {
        for await _ in stream { return }
    }
}
