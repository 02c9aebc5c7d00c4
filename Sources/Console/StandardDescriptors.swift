// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

package enum StandardDescriptors {
    /// Who started this may have closed some: what is opened next, a connection for one, would be taken for them.
    package static func open() {
        var last: Int32
        repeat { last = Glibc.open("/dev/null", O_RDWR) } while (0...STDERR_FILENO).contains(last)
        if last > STDERR_FILENO { close(last) }
    }
}
