// SPDX-License-Identifier: Apache-2.0

/// What an `RPCServer` serves: one object for all connections. It is called on the event loop of the connection concerned,
/// so no function may block.
public protocol RPCService: Sendable {
    /// What the service keeps for one connection, confined to its event loop; Void if nothing.
    associatedtype Session

    /// Comes before any call of the connection.
    func connectionOpened(_ connection: ServerConnection) -> Session

    /// A complete request has arrived. The call must be ended, now or later, with `respond`, `finish` or `fail`; for an
    /// unknown method, with `RPCError.unimplemented`.
    func serve(_ call: ServerCall, in session: Session)

    /// The connection does not speak ttrpc, and is closed. Comes before `connectionClosed`.
    /// - Parameter name: name of its protocol, if it can be recognized: "HTTP", "TLS", "SSH", "unknown".
    func connectionRefused(_ connection: ServerConnection, speaking name: String)

    /// The TLS handshake of a connection failed. Comes before `connectionOpened`, which never comes then.
    func handshakeFailed(_ connection: ServerConnection, because words: String)

    /// Accepting connections is paused for a moment, because descriptors or memory are used up, as the system's message says.
    func acceptingPaused(because words: String)

    /// Comes last, after each open call's `onCancel`.
    func connectionClosed(_ connection: ServerConnection, _ session: Session)

    /// What another program needs to go on with the session.
    func carry(_ session: Session) -> String

    /// The connection goes on with what `carry` has returned in another program. Comes after `connectionOpened`, and before any
    /// call.
    func goOn(_ session: Session, _ carried: String)

    /// A call goes on that another program has begun to serve, and whose `carriage` is not `again`.
    func goOn(_ call: ServerCall, in session: Session)
}

extension RPCService {
    public func connectionRefused(_ connection: ServerConnection, speaking name: String) {}
    public func handshakeFailed(_ connection: ServerConnection, because words: String) {}
    public func acceptingPaused(because words: String) {}
    public func connectionClosed(_ connection: ServerConnection, _ session: Session) {}
    public func carry(_ session: Session) -> String { "" }
    public func goOn(_ session: Session, _ carried: String) {}
    public func goOn(_ call: ServerCall, in session: Session) {
        call.fail(RPCError(.unavailable, "the server was exchanged, and can't go on with this call"))
    }
}

extension RPCService where Session == Void {
    public func connectionOpened(_ connection: ServerConnection) {}
}

/// A service and its session of one connection, type-erased: created once for a connection, so that no call needs a cast.
protocol ServiceSession: AnyObject {
    func serve(_ call: ServerCall)
    func refused(_ connection: ServerConnection, speaking name: String)
    func closed(_ connection: ServerConnection)
    var carried: String { get }
    func goOn(_ carried: String)
    func goOn(_ call: ServerCall)
}

extension RPCService {
    func open(_ connection: ServerConnection) -> any ServiceSession {
        SessionOf(self, connectionOpened(connection))
    }
}

private final class SessionOf<Service: RPCService>: ServiceSession {
    private let service: Service
    private let session: Service.Session

    init(_ service: Service, _ session: Service.Session) {
        self.service = service
        self.session = session
    }

    func serve(_ call: ServerCall) { service.serve(call, in: session) }

    func refused(_ connection: ServerConnection, speaking name: String) {
        service.connectionRefused(connection, speaking: name)
    }

    func closed(_ connection: ServerConnection) { service.connectionClosed(connection, session) }

    var carried: String { service.carry(session) }

    func goOn(_ carried: String) { service.goOn(session, carried) }

    func goOn(_ call: ServerCall) { service.goOn(call, in: session) }
}
