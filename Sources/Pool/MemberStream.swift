#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// The byte stream to the agent in a member: a descriptor to read from and one to write to, the same one for a socket.
/// Owns both: closed when dropped, unless `take` hands them on.
public struct MemberStream: ~Copyable, Sendable {
    private let input: Int32
    private let output: Int32

    /// - Parameters:
    ///   - input: what the agent writes is read here.
    ///   - output: what is written here the agent reads.
    public init(input: Int32, output: Int32) {
        self.input = input
        self.output = output
    }

    /// A stream over one socket.
    public init(socket: Int32) {
        self.init(input: socket, output: socket)
    }

    /// Hands the descriptors to the caller, who closes them.
    public consuming func take() -> (input: Int32, output: Int32) {
        let pair = (input, output)
        discard self
        return pair
    }

    deinit {
        close(input)
        if output != input { close(output) }
    }
}
