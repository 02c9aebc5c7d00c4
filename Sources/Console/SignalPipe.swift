// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// The signals that this process gets, as a descriptor that can be polled: a handler writes the number of each signal to
/// a pipe, since it may do little else. There is one at a time in a process.
package struct SignalPipe: Sendable {
    nonisolated(unsafe) private static var entrance: Int32 = -1

    /// The end to read from, which does not block.
    package let descriptor: Int32

    /// - Parameter numbers: signals to take at once.
    package init(taking numbers: [Int32] = []) {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { preconditionFailure("no descriptor is left for a pipe") }
        for end in ends { _ = fcntl(end, F_SETFL, O_NONBLOCK) }
        descriptor = ends[0]
        SignalPipe.entrance = ends[1]
        for number in numbers { take(number) }
    }

    /// From now on, this signal comes through the pipe and does nothing else.
    package func take(_ number: Int32) {
        signal(number) { number in
            let saved = errno
            var number = UInt8(truncatingIfNeeded: number)
            _ = write(SignalPipe.entrance, &number, 1)
            errno = saved
        }
    }

    /// The next signal, if one has come.
    package func next() -> Int32? {
        var number: UInt8 = 0
        return read(descriptor, &number, 1) == 1 ? Int32(number) : nil
    }
}
