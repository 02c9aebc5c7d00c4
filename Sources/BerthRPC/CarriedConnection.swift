// SPDX-License-Identifier: Apache-2.0

internal import NIOCore

/// A client's connection, between two frames of both directions, as it goes over to the program that takes this one's place.
package struct CarriedConnection: Codable, Sendable, Equatable {
    package var descriptor: Int32
    package var id: UInt64
    package var peer: String
    /// The user id of a unix socket's peer.
    package var peerUser: UInt32?
    package var input: CarriedInput
    /// Whether a first byte has come.
    package var hasBegun: Bool
    /// What is to be written before anything else.
    package var output: CarriedBytes
    package var calls: [CarriedCall]
    /// What the service keeps of it.
    package var session: String
}

/// What has come on a connection and was not taken yet.
package struct CarriedInput: Codable, Sendable, Equatable {
    package var unread: CarriedBytes
    /// Bytes of a frame that are still to be dropped.
    package var skipping: Int
}

/// A call that its client awaits.
package struct CarriedCall: Codable, Sendable, Equatable {
    package var streamID: UInt32
    package var service: String
    package var method: String
    package var metadata: [[String]]
    package var isServerStreaming: Bool
    /// Nanoseconds of the event loops' clock, which all processes of a host share.
    package var deadline: UInt64?
    package var requestBytes: Int
    /// The request, for a call that is served again.
    package var payload: CarriedBytes
    package var goesOn: ServerCall.Carriage
}

/// A connection to an agent, in the same way.
package struct CarriedLink: Codable, Sendable, Equatable {
    package var descriptor: Int32
    package var input: CarriedInput
    package var output: CarriedBytes
    package var lastID: UInt32
    /// The calls that the agent has not ended. Nobody awaits them, until somebody goes on with them.
    package var calls: [Call]

    package struct Call: Codable, Sendable, Equatable {
        package var id: UInt32
        package var isStreaming: Bool
    }
}

/// Why the state of a connection can't be handed over.
package struct CarryError: Error, Sendable, Equatable, CustomStringConvertible {
    package var description: String

    package init(_ description: String) { self.description = description }
}

extension ServerCall {
    /// How a call goes on in the program that takes this one's place.
    package enum Carriage: Codable, Sendable, Equatable {
        /// It has had no effect yet, or the same effect once more: it is served again.
        case again
        /// It is a stream that watches an execution.
        case watches(execution: String, watcher: UInt32)
    }
}
