// SPDX-License-Identifier: Apache-2.0

internal import AgentSchema
internal import BerthSchema
internal import Glibc

extension AgentServer {
    /// Restores the state that the container had at its start. Nothing else is done meanwhile, since no program runs.
    /// - Returns: how long it took, in microseconds.
    func reset(_ request: Agent.ResetRequest) throws(Unprovable) -> UInt64 {
        let baseline = try baseline.get()
        let start = monotonicNow()
        // At most an hour, so that the sum does not overflow.
        let limit = min(request.timeoutMilliseconds, 3_600_000) * 1_000_000
        // First of all the executions end, whether the reset succeeds or not.
        endExecutions()
        background = []
        // `restore` reaps all children.
        defer { forgetSupervisors() }
        for zygote in zygotes { zygote.spare = nil }
        try baseline.restore(sparing: zygotes.map(\.pid), users: users, deadline: start + limit)
        // A zygote that is not what it was is ended, and its language is executed from then on.
        // One that was forking reaps what was killed there.
        let settled = min(start + limit, monotonicNow() + 50_000_000)
        while zygotes.contains(where: { !$0.isClean }), monotonicNow() < settled { usleep(200) }
        let doubtful = zygotes.filter { !$0.isClean }
        if !doubtful.isEmpty {
            for zygote in doubtful { zygote.end() }
            zygotes.removeAll { zygote in doubtful.contains { $0 === zygote } }
            try baseline.restore(sparing: zygotes.map(\.pid), users: users, deadline: start + limit)
        }
        users = []
        wantsSpares = true
        return (monotonicNow() - start) / 1000
    }

    private func endExecutions() {
        endConnections()
        for (place, execution) in executions.enumerated() {
            guard let execution else { continue }
            perform(execution.discard(sendBuffer), on: execution, at: place)
        }
    }
}
