// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// An identity of this machine, or of the container that the server is in: for labels of what servers of several machines make in
/// the same engine or cluster.
package enum MachineIdentity {
    /// At most 13 digits and lower-case letters. It includes the host name, since containers of one image may have the same
    /// machine id.
    package static let text: String = {
        var name = [CChar](repeating: 0, count: 256)
        gethostname(&name, name.count - 1)
        var bytes = name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
        let descriptor = open("/etc/machine-id", O_RDONLY | O_CLOEXEC)
        if descriptor >= 0 {
            var id = [UInt8](repeating: 0, count: 64)
            bytes += id.prefix(max(0, read(descriptor, &id, id.count)))
            close(descriptor)
        }
        // FNV-1a is enough, since this is a name and not a secret.
        let hash = bytes.reduce(UInt64(0xcbf2_9ce4_8422_2325)) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
        return String(hash, radix: 36)
    }()
}
