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
        try baseline.restore(deadline: start + limit)
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
