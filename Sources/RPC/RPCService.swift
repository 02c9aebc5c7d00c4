/// What an `RPCServer` serves. One object for all connections; for each of them, all calls come on its event loop, so none
/// may block.
public protocol RPCService: Sendable {
    /// Comes before any call of the connection.
    func connectionOpened(_ connection: ServerConnection)

    /// A request has come whole. It must be ended, now or later, with `respond`, `finish` or `fail`. Methods the service
    /// does not have end with `RPCError.unimplemented`.
    func serve(_ call: ServerCall)

    /// The connection began with what no frame begins with, and is closed. Comes before `connectionClosed`.
    /// - Parameter name: the protocol's, as far as that can be told: "HTTP", "TLS", "SSH", "unknown".
    func connectionRefused(_ connection: ServerConnection, speaking name: String)

    /// For a moment, no connections are accepted: descriptors or memory are used up, as the system's words say.
    func acceptingPaused(because words: String)

    /// Comes last, after each open call's `onCancel`.
    func connectionClosed(_ connection: ServerConnection)
}

extension RPCService {
    public func connectionOpened(_ connection: ServerConnection) {}
    public func connectionRefused(_ connection: ServerConnection, speaking name: String) {}
    public func acceptingPaused(because words: String) {}
    public func connectionClosed(_ connection: ServerConnection) {}
}
