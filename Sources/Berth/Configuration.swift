// SPDX-License-Identifier: Apache-2.0

extension BerthClient {
    /// How a client behaves.
    public struct Configuration: Sendable, Equatable {
        /// How long connecting may take, tries that failed included. Between two tries it waits 50 ms, doubling, at most 1 s.
        public var connectTimeout: Duration = .seconds(5)
        /// How long a server may say nothing to calls that wait. After half of it, it is asked whether it is there; when it
        /// does not answer that either, the connection counts as lost.
        public var keepalive: Duration = .seconds(60)
        /// Connects again after the connection was lost. Else every call fails with `unavailable` from then on.
        package var reconnects = true
        /// Tries again while connecting fails, until `connectTimeout`.
        package var retries = true

        public init() {}
    }
}
