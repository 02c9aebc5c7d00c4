// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import NIOCore

/// Pauses accepting for a moment when the process or the host has no descriptors or memory for a connection. The connection
/// stays in the backlog; trying again at once would only use up the CPU.
final class AcceptPause: ChannelInboundHandler {
    typealias InboundIn = NIOAny

    private static let pause = TimeAmount.milliseconds(500)

    private let onPause: @Sendable (String) -> Void
    private var isPaused = false

    init(onPause: @escaping @Sendable (String) -> Void) {
        self.onPause = onPause
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard let error = error as? IOError, [EMFILE, ENFILE, ENOBUFS, ENOMEM].contains(error.errnoCode) else {
            return context.fireErrorCaught(error)
        }
        guard !isPaused else { return }
        isPaused = true
        onPause(systemWords(error))
        let channel = context.channel
        try? channel.syncOptions?.setOption(.autoRead, value: false)
        context.eventLoop.assumeIsolated().scheduleTask(in: AcceptPause.pause) {
            self.isPaused = false
            guard channel.isActive else { return }
            try? channel.syncOptions?.setOption(.autoRead, value: true)
        }
    }
}
