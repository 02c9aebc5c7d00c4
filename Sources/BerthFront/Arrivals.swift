// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Signals that ask this program to end, as a descriptor that can be polled.
struct Arrivals {
    /// A pipe to which the signal handler writes the number of the signal, since it may do little else.
    nonisolated(unsafe) private static var entrance: Int32 = -1

    let descriptor: Int32

    /// From now on, these signals do not end this process.
    init() {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { preconditionFailure("no descriptor is left for a pipe") }
        for end in ends { _ = fcntl(end, F_SETFL, O_NONBLOCK) }
        descriptor = ends[0]
        Arrivals.entrance = ends[1]
        for number in [SIGINT, SIGTERM] {
            signal(number) { number in
                let saved = errno
                var number = UInt8(truncatingIfNeeded: number)
                _ = write(Arrivals.entrance, &number, 1)
                errno = saved
            }
        }
    }

    /// The next signal, if there is one.
    func next() -> Int32? {
        var number: UInt8 = 0
        return read(descriptor, &number, 1) == 1 ? Int32(number) : nil
    }
}
