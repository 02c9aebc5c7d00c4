// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// A call that is under way, for its caller to leave.
package final class ClientStream: Sendable {
    private let connection: ClientConnection
    /// 0 until the call has its id.
    private let id = Atomic<UInt32>(0)

    init(_ connection: ClientConnection) {
        self.connection = connection
    }

    /// Ends the call here with CANCELLED, unless it has ended. The server is not told, as ttrpc has no word for it: what it
    /// still sends is dropped.
    package func abandon() { connection.abandon(self) }

    var streamID: UInt32 {
        get { id.load(ordering: .relaxed) }
        set { id.store(newValue, ordering: .relaxed) }
    }
}
