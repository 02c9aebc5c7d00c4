// SPDX-License-Identifier: Apache-2.0

/// What an `RPCServer` serves. One object for all connections; for each of them, all calls come on its event loop, so none
/// may block.
package protocol RPCService: Sendable {
    /// What the service keeps of one connection, on its event loop; Void if nothing.
    associatedtype Session

    /// Comes before any call of the connection.
    func connectionOpened(_ connection: ServerConnection) -> Session

    /// A request has come whole. It must be ended, now or later, with `respond`, `finish` or `fail`. Methods the service
    /// does not have end with `RPCError.unimplemented`.
    func serve(_ call: ServerCall, in session: Session)

    /// The connection began with what no frame begins with, and is closed. Comes before `connectionClosed`.
    /// - Parameter name: the protocol's, as far as that can be told: "HTTP", "TLS", "SSH", "unknown".
    func connectionRefused(_ connection: ServerConnection, speaking name: String)

    /// For a moment, no connections are accepted: descriptors or memory are used up, as the system's words say.
    func acceptingPaused(because words: String)

    /// Comes last, after each open call's `onCancel`.
    func connectionClosed(_ connection: ServerConnection, _ session: Session)
}

extension RPCService {
    package func connectionRefused(_ connection: ServerConnection, speaking name: String) {}
    package func acceptingPaused(because words: String) {}
    package func connectionClosed(_ connection: ServerConnection, _ session: Session) {}
}

extension RPCService where Session == Void {
    package func connectionOpened(_ connection: ServerConnection) {}
}

/// A service and what it keeps of one connection, of whatever type: made once for a connection, so that no call needs a cast.
protocol ServiceSession: AnyObject {
    func serve(_ call: ServerCall)
    func refused(_ connection: ServerConnection, speaking name: String)
    func closed(_ connection: ServerConnection)
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
}
