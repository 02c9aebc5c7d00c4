// SPDX-License-Identifier: Apache-2.0

extension BerthClient {
    /// How a client behaves.
    public struct Configuration: Sendable, Equatable {
        /// How long connecting may take, failed tries included. The pause between two tries begins at 50 ms and doubles up to 1 s.
        public var connectTimeout: Duration = .seconds(5)
        /// How long a server may send nothing while calls wait. After half of it the client asks whether the server is alive;
        /// if there is no answer to that either, the connection counts as lost.
        public var keepalive: Duration = .seconds(60)
        /// How it knows the server and what it shows to it; nil: what the environment says when it connects.
        public var credentials: Credentials?
        /// Whether it connects again after the connection was lost. If not, every later call fails with `unavailable`.
        package var reconnects = true
        /// Whether it retries while connecting fails, until `connectTimeout`.
        package var retries = true

        public init() {}
    }
}
