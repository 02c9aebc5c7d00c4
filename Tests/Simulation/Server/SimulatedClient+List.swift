// SPDX-License-Identifier: Apache-2.0

internal import BerthRPC
internal import BerthSchema
internal import NIOCore

extension SimulatedClient {
    /// Whether the list of a lease's executions is right.
    func list(_ pick: UInt32) {
        guard let lease = anyLease(pick) else { return }
        let asked = world.now
        // What of them runs is in the list.
        let running = book.executions.values.filter { $0.lease === lease && $0.runs }
        call("list", PoolService.listExecutions, ListExecutionsRequest(lease: lease.token), in: lease) {
            [book, world] answer in
            guard case .success(var response) = answer else {
                if case .failure(let error) = answer, error.code == .notFound { book.refused(lease) }
                return
            }
            if world.canary == .runningIsNotListed { response.executions = [] }
            // Also of a lease that has ended, if an execution of it is kept: so this says nothing about the lease.
            var listed: Set<UInt32> = []
            for var info in response.executions {
                if world.canary == .endIsNotListed { info.ended = nil }
                guard let key = info.argv.last.flatMap({ UInt32("\($0)") }), let execution = book.executions[key] else {
                    world.broken(.listed, "\(info.execution) is listed, for which nobody has asked")
                    continue
                }
                listed.insert(key)
                if info.ended == nil, let told = execution.told, asked > told.at + .seconds(5),
                    asked > book.agentsStalledUntil + .seconds(2)
                {
                    world.broken(.listed, "\(info.execution) is listed as running long after its end")
                }
                if info.ended != nil, execution.hasBegun, execution.told == nil, execution.runs, !execution.isDisturbed,
                    !book.mayHaveEnded(lease)
                {
                    world.broken(.listed, "\(info.execution) is listed as ended, and runs")
                }
            }
            for execution in running where execution.runs && !listed.contains(execution.key) {
                guard !book.mayHaveEnded(lease), !execution.isDisturbed else { continue }
                world.broken(.listed, "\(execution.name) runs and is not listed")
            }
        }
    }
}
