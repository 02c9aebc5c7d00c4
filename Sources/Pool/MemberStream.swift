// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// The byte stream to the agent in a member: a descriptor to read from and one to write to, the same one for a socket.
/// It owns both and closes them when it is dropped, unless `take` passes them on.
public struct MemberStream: ~Copyable, Sendable {
    private var input: Int32
    private var output: Int32
    /// The user that programs in the member run as; nil if the runtime does not choose one.
    public let user: MemberUser?
    /// Counts out-of-memory kills in the member, so that the end of the agent can be explained; nil if that is unknown.
    public let memoryKills: MemoryKills?
    /// Counts the CPU time of all processes in the member; nil if that is unknown.
    public let cpu: CPUMeter?

    /// - Parameters:
    ///   - input: descriptor to read what the agent writes.
    ///   - output: descriptor to write what the agent reads.
    ///   - user: the user that programs run as.
    ///   - memoryKills: counter of the member's out-of-memory kills.
    ///   - cpu: counter of the member's CPU time.
    public init(
        input: Int32, output: Int32, user: MemberUser? = nil, memoryKills: MemoryKills? = nil, cpu: CPUMeter? = nil
    ) {
        self.input = input
        self.output = output
        self.user = user
        self.memoryKills = memoryKills
        self.cpu = cpu
    }

    /// A stream over one socket.
    public init(
        socket: Int32, user: MemberUser? = nil, memoryKills: MemoryKills? = nil, cpu: CPUMeter? = nil
    ) {
        self.init(input: socket, output: socket, user: user, memoryKills: memoryKills, cpu: cpu)
    }

    /// Hands the descriptors to the caller, who closes them.
    public consuming func take() -> (input: Int32, output: Int32) {
        defer { (input, output) = (-1, -1) }
        return (input, output)
    }

    deinit {
        if input >= 0 { close(input) }
        if output >= 0, output != input { close(output) }
    }
}
