// SPDX-License-Identifier: Apache-2.0

internal import CAgent
internal import Glibc

/// The agent's end of a supervisor: a process, forked from the agent, that starts one program and reaps everything that
/// descends from it. So an execution's processes are exactly the descendants of its supervisor, however often they fork, and
/// when it reports that they are gone, they are.
struct Supervisor: ~Copyable {
    let pid: pid_t
    private let control: Descriptor

    struct Report {
        enum Kind {
            case started
            case failed(stage: Int32, error: Int32)
            case exited(WaitStatus, Usage)
            case gone(Usage)
            /// It ended, or was killed, without a `failed` or `gone` before.
            case lost
        }

        /// The program's, as the supervisor knows it.
        var pid: pid_t = 0
        var kind: Kind

        var isLost: Bool { if case .lost = kind { true } else { false } }
        var isGone: Bool { if case .gone = kind { true } else { false } }
    }

    private init(pid: pid_t, control: consuming Descriptor) {
        self.pid = pid
        self.control = control
    }

    /// Forks it. The program's ends of its pipes stay open here; the caller closes them.
    static func fork(
        _ program: Program, oomScore: String?, input: Int32, output: Int32, error: Int32, context: Int32 = -1
    ) throws(SystemError) -> Supervisor {
        var ends: [Int32] = [-1, -1]
        guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends) == 0 else {
            throw SystemError("socketpair")
        }
        let ours = Descriptor(ends[0])
        let theirs = Descriptor(ends[1])
        let (pid, failure) = program.withC(oomScore: oomScore) { c in
            c.input = input
            c.output = output
            c.error = error
            c.control = theirs.raw
            c.context = context
            let pid = berth_supervise(&c)
            return (pid, pid < 0 ? SystemError("fork", pid) : nil)
        }
        if let failure { throw failure }
        return Supervisor(pid: pid, control: ours)
    }

    var raw: Int32 { control.raw }

    /// Sends a signal to a program's process group.
    /// - Parameter pid: the program; 0 is the one that it was started with. Likewise below.
    func signal(_ number: Int32, to pid: pid_t = 0) { send(number, pid) }

    /// Sends TERM to all of a program's processes.
    func terminate(_ pid: pid_t = 0) { send(Int32(BERTH_TERMINATE), pid) }

    /// Kills all processes of one program; other programs continue.
    func kill(_ pid: pid_t) { send(Int32(BERTH_KILL), pid) }

    /// Makes a descendant of one of its programs a separate program, which is then reported as started.
    func adopt(_ pid: pid_t) { send(Int32(BERTH_ADOPT), pid) }

    /// Kills everything.
    func kill() { shutdown(control.raw, Int32(SHUT_WR)) }

    private func send(_ kind: Int32, _ pid: pid_t) {
        var order = berth_order(kind: kind, pid: pid)
        let size = MemoryLayout<berth_order>.size
        // It reads whenever it can. If it was stopped, it is killed.
        if Glibc.send(control.raw, &order, size, Int32(MSG_DONTWAIT)) < 0, errno == EAGAIN { kill() }
    }

    /// Returns its reports since the last call.
    func reports() -> [Report] {
        var found: [Report] = []
        withUnsafeTemporaryAllocation(of: berth_report.self, capacity: 4) { buffer in
            let size = MemoryLayout<berth_report>.stride
            while true {
                let count = recv(control.raw, buffer.baseAddress, 4 * size, Int32(MSG_DONTWAIT))
                if count < 0, errno == EAGAIN || errno == EINTR { return }
                // A record is written as a whole, so a part of one is an error.
                guard count > 0, count % size == 0 else {
                    found.append(Report(kind: .lost))
                    return
                }
                found.append(contentsOf: buffer[..<(count / size)].map(Supervisor.report))
            }
        }
        return found
    }

    private static func report(_ c: berth_report) -> Report {
        let kind: Report.Kind =
            switch UInt32(bitPattern: c.kind) {
            case BERTH_STARTED.rawValue: .started
            case BERTH_FAILED.rawValue: .failed(stage: c.stage, error: c.error)
            case BERTH_EXITED.rawValue: .exited(WaitStatus(c.status), usage(c))
            case BERTH_GONE.rawValue: .gone(usage(c))
            default: .lost
            }
        return Report(pid: c.pid, kind: kind)
    }

    private static func usage(_ c: berth_report) -> Usage {
        Usage(
            wallMicroseconds: c.wall_us, userMicroseconds: c.user_us, systemMicroseconds: c.system_us,
            peakMemoryBytes: c.peak_memory_bytes)
    }
}
