// SPDX-License-Identifier: Apache-2.0

/// Why there is no response, or not all of it.
package struct HTTPError: Error, Sendable, Equatable, CustomStringConvertible {
    package enum Kind: String, Sendable, CaseIterable {
        /// The unix socket's path does not exist.
        case noSuchSocket
        /// The unix socket is there, but this user may not connect to it.
        case permissionDenied
        /// Nothing listens there.
        case connectionRefused
        /// No connection for another reason: name not resolved, no route, …
        case cannotConnect
        case tls
        case timedOut
        /// The task was cancelled, or the client was shut down.
        case cancelled
        /// The body is larger than the request allows.
        case bodyTooLarge
        /// The server closed the connection or answered what is no HTTP.
        case protocolViolation
        /// The request can't be made: a malformed path or host.
        case invalidRequest
    }

    package var kind: Kind
    /// One line, in curl's own words.
    package var message: String

    package init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message
    }

    package var description: String { message }
}
