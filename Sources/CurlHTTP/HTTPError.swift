// SPDX-License-Identifier: Apache-2.0

/// Why there is no response, or no complete one.
package struct HTTPError: Error, Sendable, Equatable, CustomStringConvertible {
    package enum Kind: String, Sendable, CaseIterable {
        /// The unix socket's path does not exist.
        case noSuchSocket
        /// The unix socket exists, but this user may not connect to it.
        case permissionDenied
        /// Nothing listens at the address.
        case connectionRefused
        /// There is no connection for another reason, for example a name that can't be resolved.
        case cannotConnect
        case tls
        case timedOut
        /// The task was cancelled, or the client was shut down.
        case cancelled
        /// The body is larger than the request allows.
        case bodyTooLarge
        /// The server closed the connection, or its answer is not HTTP.
        case protocolViolation
        /// The request can't be sent, for example because of a malformed path or host.
        case invalidRequest
    }

    package var kind: Kind
    /// One line: curl's text, the system's, or one of this module.
    package var message: String

    package init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message
    }

    package var description: String { message }
}
