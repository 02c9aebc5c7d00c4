// SPDX-License-Identifier: Apache-2.0

internal import AgentSchema
internal import CAgent
internal import Glibc

/// A process, forked from the agent, that becomes the user, connects, passes the socket to the agent, and ends. So the user's
/// permissions apply, and the agent never waits for the path or the listener.
struct Connector: ~Copyable {
    let pid: pid_t
    private let control: Descriptor

    enum Answer: ~Copyable {
        case connected(Descriptor)
        /// An errno of connect(2); ENOTSOCK if the path is not a socket.
        case failed(Int32)
        /// It ended without a result.
        case wasEnded
        case none
    }

    static func fork(_ request: Agent.ExecuteRequest, to endpoint: Agent.Endpoint, oomScore: String?)
        throws(SystemError) -> Connector
    {
        var ends: [Int32] = [-1, -1]
        guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends) == 0 else {
            throw SystemError("socketpair")
        }
        let ours = Descriptor(ends[0])
        let theirs = Descriptor(ends[1])
        var c = berth_endpoint()
        c.port = UInt16(truncatingIfNeeded: endpoint.port)
        c.uid = request.uid
        c.gid = request.gid
        c.wait_ms = endpoint.waitMilliseconds
        c.control = theirs.raw
        let pid = withText(endpoint.path) { path in
            withText(oomScore.map { Array($0.utf8) } ?? []) { score in
                c.path = path
                c.oom_score_adj = score
                return berth_connect(&c)
            }
        }
        guard pid > 0 else { throw SystemError("fork", pid) }
        return Connector(pid: pid, control: ours)
    }

    private init(pid: pid_t, control: consuming Descriptor) {
        self.pid = pid
        self.control = control
    }

    var raw: Int32 { control.raw }

    func answer() -> Answer {
        let result = berth_take_connection(control.raw)
        switch result {
        case 0...: return .connected(Descriptor(result))
        case -EAGAIN: return .none
        case -EPIPE: return .wasEnded
        default: return .failed(-result)
        }
    }
}

/// The bytes as a C string; NULL if there are none.
private func withText<R>(_ bytes: [UInt8], _ body: (UnsafePointer<CChar>?) -> R) -> R {
    guard !bytes.isEmpty else { return body(nil) }
    return (bytes + [0]).withUnsafeBytes { body($0.bindMemory(to: CChar.self).baseAddress) }
}
