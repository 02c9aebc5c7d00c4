// SPDX-License-Identifier: Apache-2.0

internal import CHost
internal import Embedded
internal import Glibc
internal import Housekeeping
internal import Pool

extension RuncRuntime {
    func destroy(_ member: MemberID, _ cancellation: Cancellation) throws(RuntimeError) {
        let deadline = ContinuousClock.now + .seconds(10)
        let bundle = bundle(member)
        let initPID = pid_t(String(decoding: Files.read("\(bundle)/pid") ?? [], as: UTF8.self))

        // All that runc knows of a container are its processes, its cgroups and its state directory. They are removed here
        // and not by `runc delete`, which looks for the end of what it killed only every 100 ms, cannot remove the state of
        // a create that was killed, and takes 9 ms of CPU time: a fifth of what a container's whole life costs.
        var pause: Int32 = 1
        while cgroups.kill(member) {
            if ContinuousClock.now > deadline {
                throw RuntimeError(.failed, "processes of \(member) survive SIGKILL")
            }
            if cancellation.wait(milliseconds: pause) { throw RuntimeError(.failed, "remove was cancelled") }
            pause = min(pause * 2, 20)
        }
        try cgroups.remove(member, deadline: deadline, cancellation)
        // If the create was killed before it did this itself.
        Overlay.unmount("\(bundle)/root")
        try Files.removeTree("\(stateDirectory)/runc/\(member)")
        try Files.removeTree(bundle)
        reap(initPID)

        ground.diagnostics.report(member)
    }

    /// The container's first process is an orphan as soon as runc has ended, and the host's init reaps it. If this server is
    /// init itself, in a container, or a subreaper, it must do that; it waits only for this child, since other children
    /// belong to others.
    private func reap(_ initPID: pid_t?) {
        guard let initPID, initPID > 1, berth_adopts_orphans() != 0 else { return }
        var status: Int32 = 0
        waitpid(initPID, &status, WNOHANG)
    }
}
