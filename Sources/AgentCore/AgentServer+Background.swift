// SPDX-License-Identifier: Apache-2.0

internal import BerthSchema
internal import CAgent
internal import Glibc

extension AgentServer {
    /// Bytes of output that are dropped in one turn, at most, so that requests are heard in between.
    private static let dropped = 256 << 10

    var canKeepBackground: Bool {
        let coming = executions.count { $0?.mayLeaveBackground == true }
        return background.count + coming < AgentServer.maxBackground
    }

    /// The execution has ended. Where something of it lives on, that goes on to write.
    func keepPipes(of execution: RunningExecution) {
        guard execution.program.keepsBackground,
            let left = background.first(where: { $0.pid == execution.supervisorPID })
        else { return }
        left.keep(stdout: execution.stdout.take(), stderr: execution.stderr.take())
        for stream in OutputStream.pipes {
            guard let raw = left.raw(stream) else { continue }
            epoll.change(
                raw, EPOLLIN,
                token: Token.background + UInt64(UInt32(bitPattern: left.pid)) << 1 | UInt64(stream.rawValue))
        }
    }

    /// - Parameter token: an event's, from `Token.background` on.
    func backgroundBecameReadable(_ token: UInt64) {
        guard let stream = OutputStream(rawValue: UInt32(token & 1)) else { return }
        background.first { UInt32(bitPattern: $0.pid) == token >> 1 }?.becameReadable(stream)
    }

    var hasMoreToDrop: Bool {
        background.contains { $0.wantsToRead(.stdout, sendBuffer) || $0.wantsToRead(.stderr, sendBuffer) }
    }

    /// Reads what is written by what ended programs have left, so that it need not wait.
    func dropOutputOfBackground() {
        guard hasMoreToDrop else { return }
        withUnsafeTemporaryAllocation(byteCount: 16 << 10, alignment: 16) { room in
            for _ in 0..<(AgentServer.dropped / room.count) {
                for left in background {
                    for stream in OutputStream.pipes where left.wantsToRead(stream, sendBuffer) {
                        left.drop(stream, into: room)
                    }
                }
                guard hasMoreToDrop else { return }
            }
        }
    }
}
