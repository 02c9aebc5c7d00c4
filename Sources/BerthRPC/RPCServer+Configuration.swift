// SPDX-License-Identifier: Apache-2.0

public import NIOCore

extension RPCServer {
    /// The bounds of a server. All sizes are in bytes.
    public struct Configuration: Sendable {
        /// Maximum open connections. One more gets RESOURCE_EXHAUSTED for its first request, and is closed.
        public var maxConnections = 10_000
        /// Maximum connections over the limit that are being answered; any more are closed without an answer.
        public var maxRefusedConnections = 64
        /// How long a connection over the limit may take to send its first request and to read the answer.
        public var refusalTimeout = TimeAmount.seconds(2)
        /// How long a client may take to begin with TLS, and then to end the handshake.
        public var handshakeTimeout = TimeAmount.seconds(10)
        /// Maximum open calls on a connection. One more is answered with RESOURCE_EXHAUSTED.
        public var maxCallsPerConnection = 10_000
        /// When this much waits for the peer of a connection to read, `isWritable` becomes false for its streams …
        public var highWatermark = 256 << 10
        /// … and when only this much is left, it becomes true again.
        public var lowWatermark = 64 << 10
        /// When this much waits in the queue of one stream, `isWritable` becomes false for it.
        public var callHighWatermark = 64 << 10
        /// Maximum bytes in the queue of one stream. If it keeps sending in spite of `isWritable`, it fails with
        /// RESOURCE_EXHAUSTED.
        public var maxQueuedBytesPerCall = 8 << 20
        /// An incomplete frame with more bytes than this is gathered only if the budget has room for all of it.
        public var largeFrame = 16 << 10
        /// The budget for memory held for clients.
        public var memory = MemoryBudget(limit: 256 << 20)
        /// When the peer of a connection leaves this much unread, the server stops reading from it until it reads.
        public var pauseReadingBytes = 1 << 20

        public init() {}

        var sending: SendingPolicy.Limits {
            SendingPolicy.Limits(
                highWatermark: highWatermark, lowWatermark: lowWatermark, callHighWatermark: callHighWatermark,
                maxQueuedBytesPerCall: maxQueuedBytesPerCall)
        }
    }
}
