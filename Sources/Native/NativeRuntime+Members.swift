// SPDX-License-Identifier: Apache-2.0

internal import CHost
internal import Embedded
internal import Glibc
internal import Hardening
internal import Housekeeping
internal import Pool
internal import Synchronization

extension NativeRuntime {
    /// The filter of system calls, as the kernel takes it.
    static func filter(_ root: RootFilesystem) throws(RuntimeError) -> [UInt8] {
        guard let architecture = SeccompArchitecture.native else {
            throw RuntimeError(
                .invalidConfiguration, "the runtime native has no filter of system calls for this machine")
        }
        return SeccompProgram(SeccompProfile(allowsInotify: root.isOverlaid), for: architecture).bytes
    }

    /// - Returns: the stream to the agent, which is a socket, with the user that programs run as, and the first process.
    func start(
        _ member: MemberID, _ template: MemberTemplate, _ cancellation: Cancellation
    ) throws(RuntimeError) -> (socket: Int32, user: MemberUser, pid: Int32) {
        try ground.validate(member)
        try ground.validate(template)
        let root = try ground.root(template, cancellation)
        let own = ground.own(member, template, root)
        let diagnostic = try ground.diagnostics.open(member)
        // A socket instead of two pipes: it is faster, and nothing in the container can reopen it through /proc.
        var ends: [Int32] = [-1, -1]
        guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends) == 0 else {
            throw lastFailure("socketpair")
        }
        // The agent's standard input and output.
        defer { close(ends[1]) }
        do throws(RuntimeError) {
            let created = try start(cancellation, template) { launcher throws(Launcher.Fault) in
                try launcher.create(
                    member, user: own.user.uid, files: own.files.map(\.content), stream: ends[1], errors: diagnostic,
                    cancellation)
            }
            let old = made.withLock { $0.updateValue(created, forKey: member) }
            if let old { close(old.pidfd) }
            return (ends[0], own.user, created.pid)
        } catch {
            close(ends[0])
            ground.diagnostics.drop(member)
            throw error
        }
    }

    /// A launcher that has ended since its last member is replaced; one that ends while it makes a member is a failed create.
    private func start(
        _ cancellation: Cancellation, _ template: MemberTemplate,
        _ create: (Launcher) throws(Launcher.Fault) -> Launcher.Made
    ) throws(RuntimeError) -> Launcher.Made {
        let first = try launcher(template, cancellation)
        do throws(Launcher.Fault) {
            return try create(first)
        } catch {
            guard case .notTaken = error else { throw Launcher.error(error) }
        }
        let second = try launcher(template, cancellation)
        do throws(Launcher.Fault) {
            return try create(second)
        } catch {
            throw Launcher.error(error)
        }
    }

    func destroy(_ member: MemberID, _ cancellation: Cancellation) throws(RuntimeError) {
        let deadline = ContinuousClock.now + .seconds(10)
        if let first = made.withLock({ $0[member] }) {
            // With a namespace's first process all others end, before its descriptor tells of its end.
            _ = berth_pidfd_kill(first.pidfd)
            try wait(for: first, member, deadline, cancellation)
            made.withLock { _ = $0.removeValue(forKey: member) }
            close(first.pidfd)
            reap(first.pid)
        } else {
            // Of an earlier server, or of a create that was cut short.
            var pause: Int32 = 1
            while cgroups.kill(member) {
                if ContinuousClock.now > deadline {
                    throw RuntimeError(.failed, "processes of \(member) survive SIGKILL")
                }
                if cancellation.wait(milliseconds: pause) { throw RuntimeError(.failed, "remove was cancelled") }
                pause = min(pause * 2, 20)
            }
        }
        try cgroups.remove(member, deadline: deadline, cancellation)
        ground.diagnostics.report(member)
    }

    private func wait(
        for first: Launcher.Made, _ member: MemberID, _ deadline: ContinuousClock.Instant, _ cancellation: Cancellation
    ) throws(RuntimeError) {
        var ends = [
            pollfd(fd: first.pidfd, events: Int16(POLLIN), revents: 0),
            pollfd(fd: cancellation.descriptor, events: Int16(POLLIN), revents: 0),
        ]
        while true {
            let ready = poll(&ends, 2, 1000)
            if ready < 0, errno != EINTR { throw lastFailure("poll") }
            if ends[0].revents != 0 { return }
            if ready > 0, ends[1].revents != 0 { throw RuntimeError(.failed, "remove was cancelled") }
            if ContinuousClock.now > deadline {
                throw RuntimeError(.failed, "processes of \(member) survive SIGKILL")
            }
        }
    }

    /// Where its launcher has ended before it, a member's first process is an orphan, and the host's init reaps it. If this
    /// server is init itself, in a container, or a subreaper, it must do that.
    private func reap(_ pid: Int32) {
        guard pid > 1, berth_adopts_orphans() != 0 else { return }
        var status: Int32 = 0
        waitpid(pid, &status, WNOHANG)
    }
}
