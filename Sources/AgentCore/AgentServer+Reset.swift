// SPDX-License-Identifier: Apache-2.0

internal import AgentSchema
internal import BerthSchema
internal import Glibc

extension AgentServer {
    /// Makes the container as it was at its start. Nothing else is done meanwhile: no program runs that could want
    /// something.
    /// - Returns: how long it took, in microseconds.
    func reset(_ request: Agent.ResetRequest) throws(Unprovable) -> UInt64 {
        let baseline = try baseline.get()
        let start = monotonicNow()
        // More than an hour is no bound, and would not fit the sum.
        let limit = min(request.timeoutMilliseconds, 3_600_000) * 1_000_000
        // Told first: whatever comes of the rest, they do not go on.
        endExecutions()
        background = []
        // All children are reaped on the way.
        defer { forgetSupervisors() }
        try baseline.restore(deadline: start + limit)
        return (monotonicNow() - start) / 1000
    }

    private func endExecutions() {
        for (place, execution) in executions.enumerated() {
            guard let execution else { continue }
            perform(execution.discard(sendBuffer), on: execution, at: place)
        }
    }
}
