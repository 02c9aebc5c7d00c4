// SPDX-License-Identifier: Apache-2.0

internal import Berth
internal import Synchronization

/// A connection that reconnects after it was lost.
final class Connection: Sendable {
    /// Minimum time between two attempts to connect.
    private static let pause: Nanoseconds = 100_000_000

    private struct State {
        var client: BerthClient?
        var nextAttempt: Nanoseconds = 0
    }

    /// The thread of the connection. Its workers run there, so that a test does not measure thread switches of the
    /// tester.
    let executor: any TaskExecutor
    private let address: ServerAddress
    private let state: Mutex<State>

    init(to address: ServerAddress) async throws(BerthError) {
        self.address = address
        let client = try await BerthClient.connect(to: address)
        executor = client.executor
        state = Mutex(State(client: client))
    }

    /// - Throws: `BerthError` with the code `unavailable` if the server can't be reached, the last attempt was a moment
    ///   ago, or another caller is connecting.
    func client() async throws(BerthError) -> BerthClient {
        let (ready, mayTry) = state.withLock { state -> (BerthClient?, Bool) in
            if let client = state.client, client.isConnected { return (client, false) }
            let now = Monotonic.now()
            guard now >= state.nextAttempt else { return (nil, false) }
            state.nextAttempt = now + Connection.pause
            return (nil, true)
        }
        if let ready { return ready }
        guard mayTry else { throw BerthError(.unavailable, "the connection to \(address) has ended") }
        let client = try await BerthClient.connect(to: address, timeout: .seconds(2))
        state.withLock { state in
            state.client?.close()
            state.client = client
        }
        return client
    }

    func close() {
        state.withLock { $0.client }?.close()
    }
}

/// A lease that is held for the whole test, with its connection. If it is lost, another is acquired.
actor HeldLease {
    private let connection: Connection
    private let pool: String?
    private let wait: Duration?
    private var lease: Lease?
    private var client: BerthClient?
    private var renewal: Task<(BerthClient, Lease), any Error>?

    init(_ connection: Connection, pool: String?, wait: Duration?) {
        self.connection = connection
        self.pool = pool
        self.wait = wait
    }

    /// Returns the lease, and acquires one if there is none. Concurrent callers share one call.
    func get() async throws -> (BerthClient, Lease) {
        if let client, let lease, client.isConnected { return (client, lease) }
        if let renewal { return try await renewal.value }
        let task = Task { [connection, pool, wait] in
            let client = try await connection.client()
            return (client, try await client.acquire(pool: pool, wait: wait))
        }
        renewal = task
        defer { renewal = nil }
        let (client, lease) = try await task.value
        self.client = client
        self.lease = lease
        return (client, lease)
    }

    /// Must be called when the server says that this lease has ended.
    func lost(_ lease: Lease) {
        if self.lease == lease { self.lease = nil }
    }

    func release() async {
        guard let client, let lease else { return }
        self.lease = nil
        try? await client.release(lease)
    }
}
