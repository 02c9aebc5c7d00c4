// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// The one maintenance task. All creates, removals and sweeps are its children.
extension Fleet {
    /// Runs until `drain` is finished, or the task is cancelled. Call it once.
    ///
    /// It begins by removing what an earlier server of this instance left behind.
    public func run() async {
        await sweepAtStart()
        runtime.watchEvictions { [weak self] member, eviction in self?.evict(member, eviction) }
        await withDiscardingTaskGroup { group in
            var nextSweep = clock.now() + configuration.tick
            let sweeper = Sweeper()
            while !Task.isCancelled {
                let step = nextStep()
                if step.isFinished { break }
                if let order = step.create {
                    group.addTask { await self.perform(order) }
                }
                for member in step.removals {
                    group.addTask { self.removalFinished(member, await self.remove(member)) }
                }
                for order in step.resets {
                    group.addTask { self.resetFinished(order.member, await self.reset(order)) }
                }
                for order in step.pings {
                    group.addTask { self.pingFinished(order.member, await self.ping(order)) }
                }
                if clock.now() >= nextSweep, !isSuspended {
                    nextSweep = clock.now() + configuration.tick
                    group.addTask { await sweeper.sweep(self) }
                }
                await nudge.wait(until: min(step.wake, nextSweep), deadlines)
            }
            group.cancelAll()
        }
    }

    // MARK: Creating

    /// Creates the container, connects to its stream, pings, and starts its interpreters: with the answer it becomes a member.
    /// If anything fails before that, what was created is removed.
    private func perform(_ order: FleetStateMachine.CreateOrder) async {
        let began = clock.now()
        do {
            let link = try await withDeadline(
                order.timeout,
                RuntimeError(.notReadyInTime, "no answer from the container within \(order.timeout)")
            ) { () async throws(RuntimeError) in
                let template = try self.withUser(order.template, order.member)
                let stream = try await self.runtime.create(order.member, template)
                let link = try await self.connector.connect(order.member, stream) { self.memberDied(order.member) }
                if !template.interpreters.isEmpty { try await self.connector.warm(link, template) }
                return link
            }
            if createSucceeded(order.member, link, took: clock.now() - began) { return }
        } catch {
            createFailed(order.member, error)
        }
        createCleaned(order.member, await remove(order.member))
    }

    /// The template with the member's own user id, unless the pool has one for all members.
    private func withUser(_ template: MemberTemplate, _ member: MemberID) throws(RuntimeError) -> MemberTemplate {
        guard template.uid == nil, let users else { return template }
        var template = template
        template.uid = users.take(member)
        guard template.uid != nil else {
            throw RuntimeError(.invalidConfiguration, "every user id of the range is taken: make uids a wider range")
        }
        return template
    }

    // MARK: Removing

    /// One attempt; nil when the runtime has confirmed that the member is gone.
    private func remove(_ member: MemberID) async -> RuntimeError? {
        do {
            let timeout = configuration.removeTimeout
            try await withDeadline(
                timeout, RuntimeError(.notReadyInTime, "not removed within \(timeout)")
            ) { () async throws(RuntimeError) in
                try await self.runtime.remove(member)
            }
            users?.giveBack(member)
            return nil
        } catch {
            return error
        }
    }

    /// Runs `work`. After `timeout` it cancels it, waits until it returns, and throws `error`.
    private func withDeadline<R: Sendable, E: Error>(
        _ timeout: Duration, _ error: E, _ work: @escaping @Sendable () async throws(E) -> R
    ) async throws(E) -> R {
        let task = Task<Result<R, E>, Never> {
            do throws(E) {
                return .success(try await work())
            } catch {
                return .failure(error)
            }
        }
        let isLate = Atomic(false)
        let deadline = deadlines.add(at: clock.now() + timeout) {
            isLate.store(true, ordering: .relaxed)
            task.cancel()
        }
        let result = await withTaskCancellationHandler {
            await task.value
        } onCancel: {
            task.cancel()
        }
        deadlines.remove(deadline)
        if case .failure(let own) = result {
            let isServersOwn = (own as? RuntimeError)?.isServersOwn ?? false
            throw isLate.load(ordering: .relaxed) && !Task.isCancelled && !isServersOwn ? error : own
        }
        // A success after the deadline counts as success: the member exists, and would leak otherwise.
        return try result.get()
    }

    // MARK: Resets and pings

    private func reset(_ order: FleetStateMachine.LinkOrder) async -> MemberLinkError? {
        do {
            try await withDeadline(
                order.timeout, MemberLinkError.failed("not reset within \(order.timeout)")
            ) { () async throws(MemberLinkError) in
                try await order.link.reset()
            }
            return nil
        } catch {
            return error
        }
    }

    private func ping(_ order: FleetStateMachine.LinkOrder) async -> MemberLinkError? {
        do {
            try await withDeadline(
                order.timeout, MemberLinkError.failed("no answer to a ping within \(order.timeout)")
            ) { () async throws(MemberLinkError) in
                try await order.link.ping()
            }
            return nil
        } catch .unsupported {
            // An agent that has no such call is not unhealthy for that.
            return nil
        } catch {
            return error
        }
    }

    // MARK: Leftovers

    private func sweepAtStart() async {
        do {
            let found = try await listMembers()
            // With those that this server goes on with.
            let known = knownMembers
            for member in found where !known.contains(member) {
                observer.record(.leftoverFound(member))
                if let error = await remove(member) { observer.record(.sweepFailed(error)) }
            }
        } catch {
            observer.record(.sweepFailed(error))
        }
    }

    fileprivate func listMembers() async throws(RuntimeError) -> [MemberID] {
        let timeout = configuration.removeTimeout
        return try await withDeadline(
            timeout, RuntimeError(.notReadyInTime, "the runtime's members were not listed within \(timeout)")
        ) { () async throws(RuntimeError) in
            try await self.runtime.members()
        }
    }

    /// Finds members of this instance that are not in the ledger. If it sees one twice, a tick apart, it removes it.
    fileprivate actor Sweeper {
        private var suspects: Set<MemberID> = []
        private var isSweeping = false

        func sweep(_ fleet: Fleet) async {
            guard !isSweeping else { return }
            isSweeping = true
            defer { isSweeping = false }
            do {
                // The ledger is read after the list, so that it contains what was created in between.
                let found = try await fleet.listMembers()
                let known = fleet.knownMembers
                let strangers = Set(found.filter { !known.contains($0) })
                let doomed = strangers.intersection(suspects)
                suspects = strangers.subtracting(doomed)
                for member in doomed {
                    fleet.observer.record(.leftoverFound(member))
                    if let error = await fleet.remove(member) { fleet.observer.record(.sweepFailed(error)) }
                }
            } catch {
                fleet.observer.record(.sweepFailed(error))
            }
        }
    }
}
