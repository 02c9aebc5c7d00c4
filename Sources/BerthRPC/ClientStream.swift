// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// An open call, which its caller can abandon.
public final class ClientStream: Sendable {
    private let connection: ClientConnection
    /// 0 until the call has its id.
    private let id = Atomic<UInt32>(0)

    init(_ connection: ClientConnection) {
        self.connection = connection
    }

    /// Ends the call here with CANCELLED, unless it has ended. ttrpc has no message to cancel a call, so the server is not
    /// told, and what it still sends is dropped.
    public func abandon() { connection.abandon(self) }

    package internal(set) var streamID: UInt32 {
        get { id.load(ordering: .relaxed) }
        set { id.store(newValue, ordering: .relaxed) }
    }
}
