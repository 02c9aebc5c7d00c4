// SPDX-License-Identifier: Apache-2.0

internal import BerthSchema
internal import CAgent
internal import Glibc

extension AgentServer {
    /// Maximum bytes of output that are dropped in one turn, so that requests are read in between.
    private static let dropped = 256 << 10

    var canKeepBackground: Bool {
        let coming = executions.count { $0?.mayLeaveBackground == true }
        return background.count + coming < AgentServer.maxBackground
    }

    /// Must be called when an execution has ended: if processes of it live on, their output is read from now on.
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

    /// - Parameter token: the token of the event minus `Token.background`.
    func backgroundBecameReadable(_ token: UInt64) {
        guard let stream = OutputStream(rawValue: UInt32(token & 1)) else { return }
        background.first { UInt32(bitPattern: $0.pid) == token >> 1 }?.becameReadable(stream)
    }

    var hasMoreToDrop: Bool {
        background.contains { $0.wantsToRead(.stdout, sendBuffer) || $0.wantsToRead(.stderr, sendBuffer) }
    }

    /// Reads and discards output of processes that ended programs have left, so that they do not block.
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
