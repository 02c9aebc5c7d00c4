// SPDX-License-Identifier: Apache-2.0

package import NIOCore

extension RPCServer {
    /// The bounds of a server. All sizes are in bytes.
    package struct Configuration: Sendable {
        /// Connections open at once. One more is told RESOURCE_EXHAUSTED on its first request, and closed.
        package var maxConnections = 10_000
        /// Connections over the limit that are being told so; any beyond are closed without a word.
        package var maxRefusedConnections = 64
        /// How long a connection over the limit has for its first request, and to read the answer.
        package var refusalTimeout = TimeAmount.seconds(2)
        /// Calls open at once on a connection. One more is answered RESOURCE_EXHAUSTED.
        package var maxCallsPerConnection = 10_000
        /// What may wait on a connection for its peer to read before `isWritable` is false for its streams …
        package var highWatermark = 256 << 10
        /// … and what must be left of it before it is true again.
        package var lowWatermark = 64 << 10
        /// What may wait in the queue of one stream before `isWritable` is false for it.
        package var callHighWatermark = 64 << 10
        /// A stream that sends on in spite of `isWritable` fails with RESOURCE_EXHAUSTED when this much waits in its queue.
        package var maxQueuedBytesPerCall = 8 << 20
        /// A frame with more bytes than this that has not come whole is gathered only if there is memory for all of it.
        package var largeFrame = 16 << 10
        /// What may be held for clients.
        package var memory = MemoryBudget(limit: 256 << 20)
        /// A connection whose peer leaves this much unread is not read from, until the peer reads.
        package var pauseReadingBytes = 1 << 20

        package init() {}

        var sending: SendingPolicy.Limits {
            SendingPolicy.Limits(
                highWatermark: highWatermark, lowWatermark: lowWatermark, callHighWatermark: callHighWatermark,
                maxQueuedBytesPerCall: maxQueuedBytesPerCall)
        }
    }
}
