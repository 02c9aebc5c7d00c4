// SPDX-License-Identifier: Apache-2.0

internal import Access
package import AgentLink
internal import AgentSchema
package import BerthRPC
internal import BerthSchema
internal import NIOCore
package import Pool
internal import Synchronization

/// All executions of a server, as they go over to the program that takes its place.
package struct CarriedService: Codable, Sendable {
    var executions: [CarriedExecution]
    /// The ids of executions that were dropped, for calls that come late.
    var gone: [ExecutionRegistry.CarriedID]

    package init() { (executions, gone) = ([], []) }

    /// How many run.
    package var runningCount: Int { executions.count { $0.agent != nil } }
}

/// A program that runs, or has ended and is held.
struct CarriedExecution: Codable, Sendable {
    var id: String
    var lease: LeaseToken?
    var client: String
    /// The tenant whose limits count it; nil: it has ended, or there are no tenants.
    var tenant: String?
    var member: String
    var argv: [CarriedBytes]
    var graceMilliseconds: UInt64
    /// Nanoseconds.
    var resumable: Int64?
    var unwatched: UInt32
    var maxWatchers: Int
    var agentWindow: Int
    var ending: ServedExecution.Order.Ending?
    var context: String
    /// The host whose share of the memory it uses.
    var memory: String?
    var started: Int64
    var hub: OutputHub
    var ended: CarriedBytes?
    var cancelGrace: UInt64?
    var isKept: Bool
    /// When its time without a watcher, or after its end, is over.
    var timerEnd: Int64?
    var isWarm: Bool
    /// Nil after its end.
    var agent: CarriedAgentExecution?
}

extension ServedExecution {
    /// Gives the agent no credit until `thaw`.
    func freeze() { running?.freeze() }

    func thaw() { running?.thaw() }

    /// What another program needs to go on with it; nil if it will never have an end.
    func carry() throws(CarryError) -> CarriedExecution? {
        try state.withLock { state throws(CarryError) -> CarriedExecution? in
            guard state.hub.ended != nil || order.ending != nil else {
                throw CarryError("an execution that is no program")
            }
            let agent = try state.execution?.carry()
            guard state.hub.ended != nil || agent != nil else { return nil }
            return CarriedExecution(
                id: id, lease: order.lease, client: order.client.name,
                tenant: state.hub.ended == nil ? order.work?.owner : nil, member: order.member.description,
                argv: order.argv.map { CarriedBytes($0.bytes) }, graceMilliseconds: order.graceMilliseconds,
                resumable: order.resumable?.saturatedNanoseconds, unwatched: order.unwatched.rawValue,
                maxWatchers: order.maxWatchers, agentWindow: order.agentWindow, ending: order.ending,
                context: order.context, memory: order.memory?.client, started: started.nanoseconds, hub: state.hub,
                ended: state.hub.ended.map { CarriedBytes(encoding: Agent.ExecuteEvent.ended($0)) },
                cancelGrace: state.cancelGrace, isKept: state.isKept, timerEnd: state.timerEnd?.nanoseconds,
                isWarm: state.isWarm, agent: agent)
        }
    }

    /// A stream that has watched it goes on. Returns false if it was not watched by that one.
    func goOn(_ call: ServerCall, _ number: UInt32) -> Bool {
        let watcher = state.withLock { state -> NIOLoopBound<Watcher>? in
            guard state.hub.watchers.contains(where: { $0.id == number }), state.streams[number] == nil else {
                return nil
            }
            return addStream(call, .execute, number, &state)
        }
        watcher?.value.begin()
        return watcher != nil
    }

    /// All streams that go on have told so: those that have not are gone.
    func dropLostWatchers() {
        let lost = state.withLock { state in
            state.hub.watchers.map(\.id).filter { state.streams[$0] == nil }
        }
        for number in lost { leave(number) }
    }
}

extension PoolServiceHandler {
    /// Nothing is done for executions because time has passed, and no agent gets credit, until `thaw`.
    package func freeze() {
        executions.isFrozen = true
        for execution in executions.all { execution.freeze() }
    }

    package func thaw() {
        executions.isFrozen = false
        for execution in executions.all { execution.thaw() }
    }

    /// What runs or is open and can't be handed over, in words; nil: there is nothing.
    package func obstacle() -> String? {
        if contexts.count > 0 { return "\(contexts.count) contexts are open" }
        if uploads.openCount > 0 { return "\(uploads.openCount) uploads are open" }
        let others = executions.all.count { $0.order.ending == nil && $0.hasEnded == false }
        if others > 0 { return "\(others) connections into containers or operations on files are open" }
        return nil
    }

    /// What another program needs to go on. It must be frozen, and no event loop must go on before that program does.
    package func carry() throws(CarryError) -> CarriedService {
        var carried = CarriedService()
        for execution in executions.all {
            if let one = try execution.carry() { carried.executions.append(one) }
        }
        carried.gone = executions.gone
        return carried
    }

    /// Goes on with the executions of another program, frozen. Comes before any connection.
    package func goOn(
        _ carried: CarriedService, leases: CarriedFleet, links: [MemberID: AgentConnection], memory: MemoryBudget
    ) {
        executions.isFrozen = true
        if let access {
            for member in leases.members {
                guard let client = member.lease?.client, let link = links[MemberID(member.id)] else { continue }
                Self.count(link, for: access.tenants.first { $0.client.name == client })
            }
        }
        executions.goOn(carried.gone)
        for execution in carried.executions.sorted(by: { $0.started < $1.started }) {
            goOn(execution, links[MemberID(execution.member)], memory)
        }
        // In the order of their ends.
        for carried in carried.executions where carried.isKept && carried.ended != nil {
            guard let execution = executions.find(carried.id) else { continue }
            executions.keep(execution, bytes: carried.hub.heldBytes)
        }
    }

    private func goOn(_ carried: CarriedExecution, _ link: AgentConnection?, _ memory: MemoryBudget) {
        var order = ServedExecution.Order(
            lease: carried.lease, client: ClientID(carried.client), member: MemberID(carried.member),
            argv: carried.argv.map { SystemString($0.bytes) }, graceMilliseconds: carried.graceMilliseconds,
            resumable: carried.resumable.map { .nanoseconds($0) },
            unwatched: Unwatched(rawValue: carried.unwatched) ?? .runOn, maxWatchers: carried.maxWatchers,
            agentWindow: carried.agentWindow, context: carried.context)
        if let ending = carried.ending { order.setEnding(ending, fleet) }
        if let tenant = carried.tenant.flatMap({ name in access?.tenants.first { $0.name == name } }) {
            order.work = TenantWork(goingOn: tenant, on: link)
        }
        var hub = carried.hub
        hub.wakeAll()
        if case .ended(let ended)? = try? carried.ended?.decode(Agent.ExecuteEvent.self) { hub.ended = ended }
        if let host = carried.memory {
            let account = memory.account(of: host)
            order.reservedBytes =
                hub.ended != nil
                ? hub.heldBytes : order.agentWindow + max(2 * Int(hub.ringSize), hub.heldBytes)
            account.take(order.reservedBytes)
            order.memory = account
        }
        let execution = ServedExecution(carried, order: order, clock: clock, registry: executions, hub: hub)
        executions.insert(execution, hasEnded: hub.ended != nil)
        if let end = carried.timerEnd {
            execution.state.withLock { execution.startTimer(until: MonotonicInstant(nanoseconds: end), &$0) }
        }
        if hub.ended != nil { return }
        let sink: @Sendable (ExecutionEvent) -> Void = { [fleet, ending = order.ending] event in
            if case .ended = event { ending?.act(fleet) }
            execution.receive(event)
        }
        guard let link, let agent = carried.agent else {
            return sink(.ended(Agent.Ended(cause: .containerLost, message: "the container went away")))
        }
        execution.begin(link.goOn(agent, sink: sink))
    }

    /// All connections go on: streams that have not are gone.
    package func connectionsGoOn() {
        for execution in executions.all { execution.dropLostWatchers() }
    }

    package func carry(_ session: Session) -> String { session.carried }

    package func goOn(_ session: Session, _ carried: String) { session.goOn(carried) }

    package func goOn(_ call: ServerCall, in session: Session) {
        guard case .watches(let id, let number) = call.carriage, let execution = executions.find(id) else {
            return call.fail(.executionEnded)
        }
        if call.method == PoolService.Method.execute.rawValue {
            audit?.follow(call, session, "execute", argv: execution.order.argv, age: clock.now() - execution.started)
        }
        if !execution.goOn(call, number) { call.fail(.executionEnded) }
    }
}
