// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// The byte stream to the agent in a member: a descriptor to read from and one to write to, the same one for a socket.
/// Owns both: closed when dropped, unless `take` hands them on.
package struct MemberStream: ~Copyable, Sendable {
    private var input: Int32
    private var output: Int32
    /// Who programs in the member run as; nil where the runtime leaves that to others.
    package let user: MemberUser?
    /// Tells whether it was the kernel that ended the agent, for lack of memory; nil where that cannot be found out.
    package let memoryKills: MemoryKills?

    /// - Parameters:
    ///   - input: what the agent writes is read here.
    ///   - output: what is written here the agent reads.
    ///   - user: who programs run as.
    ///   - memoryKills: of the member.
    package init(input: Int32, output: Int32, user: MemberUser? = nil, memoryKills: MemoryKills? = nil) {
        self.input = input
        self.output = output
        self.user = user
        self.memoryKills = memoryKills
    }

    /// A stream over one socket.
    package init(socket: Int32, user: MemberUser? = nil, memoryKills: MemoryKills? = nil) {
        self.init(input: socket, output: socket, user: user, memoryKills: memoryKills)
    }

    /// Hands the descriptors to the caller, who closes them.
    package consuming func take() -> (input: Int32, output: Int32) {
        defer { (input, output) = (-1, -1) }
        return (input, output)
    }

    deinit {
        if input >= 0 { close(input) }
        if output >= 0, output != input { close(output) }
    }
}
