// SPDX-License-Identifier: Apache-2.0

internal import Access
internal import BerthRPC
internal import BerthSchema
internal import NIOCore
internal import Pool

/// Calls that are answered once.
extension SimulatedClient {
    /// - Parameter lease: whose time it extends, as far as is known.
    func call<Q, A: Message>(
        _ what: String, _ method: UnaryMethod<Q, A>, _ request: Q, in lease: ServerBook.Lease? = nil,
        due: NIODeadline? = nil, token: String? = nil, isHello: Bool = false, own: [Claim] = [],
        _ then: @escaping (Result<A, RPCError>) -> Void
    ) {
        guard let connection else { return }
        let number = book.asked(what, due: due.map { $0 + heldUp })
        lease?.calls += 1
        let isolated = NIOLoopBound(then, eventLoop: world.loop)
        let isLost = world.sings(.answerIsLost, 0.02)
        let leased = NIOLoopBound(lease, eventLoop: world.loop)
        let ask = ask(number, on: connection)
        let client = NIOLoopBound((self, own), eventLoop: world.loop)
        let metadata = token.map { [KeyValue(key: "authorization", value: "Bearer \($0)")] } ?? []
        connection.unary(method, request, metadata: metadata) {
            [book = NIOLoopBound(book, eventLoop: world.loop)] answer in
            leased.value?.calls -= 1
            let (client, own) = client.value
            client.judge(ask, what, answer.error, own: own, isHello: isHello)
            if !isLost { book.value.answered(number) }
            if book.value.world.sings(.answerComesTwice, 0.02) { book.value.answered(number) }
            isolated.value(
                answer.flatMap { buffer in
                    buffer.withUnsafeReadableBytes { bytes in
                        Result { () throws(SchemaError) in try A(decoding: bytes, arena: Arena()) }
                            .mapError { RPCError(.dataLoss, $0.description) }
                    }
                })
            book.value.used(leased.value)
        }
    }

    func acquire(wait: UInt32, ttl: UInt32) {
        guard let on = connection else { return }
        let asked = world.now
        let waiter = party.map { Waiter($0, asked: asked) }
        let claim = claim(waiter)
        var request = AcquireRequest(waitMilliseconds: wait, ttlMilliseconds: ttl)
        if world.canary == .waitIsTooLong { request.waitMilliseconds = 400_000 }
        if world.canary == .waitIsTooShort { request.waitMilliseconds = 1 }
        // Without a time of its own it has the server's.
        let time = TimeAmount.milliseconds(wait == 0 ? SimulatedServer.defaultWait : Int64(wait))
        call(
            "acquire", PoolService.acquire, request, due: asked + time + .seconds(60), own: claim.map { [$0] } ?? []
        ) { [self] answer in
            stopsWaiting(waiter)
            if case .failure(let error) = answer, error.code == .deadlineExceeded, world.now < asked + time {
                world.broken(.answered, "an acquire was given up before its time of \(time)")
            }
            guard case .success(var response) = answer else {
                // A connection that is gone has perhaps left it at the server for a while.
                claim?.over = world.now + (answer.error?.code == .unavailable ? .seconds(120) : .zero)
                return
            }
            if world.canary == .leaseLivesTooLong { response.ttlMilliseconds /= 20 }
            if world.canary == .leaseEndsTooSoon { response.ttlMilliseconds *= 20 }
            if world.sings(.leaseComesTwice), let other = book.leases.last { response.lease = other.token }
            if world.sings(.memberIsLeasedTwice), let other = leases.last { response.member = other.member }
            let lease = book.granted(response, to: party, asked: asked)
            if connection === on { leases.append(lease) } else { lease.orphan(world.now) }
            if caller.lastOut.map({ $0 >= asked }) ?? false { lease.orphan(world.now) }
            claim?.lease = lease
            claim?.granted = world.now
            if let waiter {
                book.checkLeases(of: waiter.party)
                book.served(waiter)
            }
            if party?.policy.pools?.contains("a") == false {
                world.broken(.quota, "a lease in a pool that its tenant may not use")
            }
        }
    }

    func lease(_ pick: UInt32) -> ServerBook.Lease? {
        leases.isEmpty ? nil : leases[Int(pick) % leases.count]
    }

    /// A lease of its own, or of another client of its tenant. Without tenants, whoever knows a lease may use it.
    func anyLease(_ pick: UInt32) -> ServerBook.Lease? {
        guard pick % 4 == 0 else { return lease(pick) }
        let theirs = book.leases.suffix(20).filter { $0.party === party && !book.mayHaveEnded($0) }
        return theirs.isEmpty ? nil : theirs[Int(pick / 4) % theirs.count]
    }

    /// Counts an acquire for its tenant, as long as it waits and then as its lease.
    func claim(_ waiter: Waiter?) -> Claim? {
        guard let waiter else { return nil }
        let claim = Claim(waiter.asked, waiter: waiter)
        waiter.party.leases.append(claim)
        waiting.append(waiter)
        book.waiting.append(waiter)
        return claim
    }

    func stopsWaiting(_ waiter: Waiter?) {
        guard let waiter else { return }
        waiting.removeAll { $0 === waiter }
        book.waiting.removeAll { $0 === waiter }
    }

    /// What of its acquires surely waits at the server.
    func lookAtWaiters() {
        guard let wire, !waiting.isEmpty, !isRude else { return }
        // A connection writes when the write before is done.
        if !wire.near.isWriting { for waiter in waiting where waiter.end == nil { waiter.end = wire.near.written } }
        // A server whose answers are not read takes no requests.
        guard !isPaused, wire.isReadByNear else { return }
        for waiter in waiting {
            guard let end = waiter.end, wire.far.read >= end else { continue }
            waiter.arrived = waiter.arrived ?? world.now
            waiter.waited = world.now
        }
    }

    func release(_ pick: UInt32) {
        guard let lease = lease(pick) else { return }
        lease.isReleased = true
        leases.removeAll { $0 === lease }
        former.append(lease)
        call("release", PoolService.release, ReleaseRequest(lease: lease.token)) { [book] answer in
            guard case .success = answer else { return }
            lease.endedAt = book.world.now
            book.mustEnd(lease)
        }
    }

    func renew(_ pick: UInt32) {
        if pick % 2 == 0, former.contains(where: \.hasEnded) { return renewReleased(pick) }
        guard let lease = anyLease(pick) else { return }
        let asked = world.now
        if world.canary == .renewalIsForgotten { return book.found(lease, asked: asked) }
        call("renew", PoolService.renew, RenewRequest(lease: lease.token), in: lease) { [book] answer in
            switch answer {
            case .success where book.world.sings(.leaseIsForgotten): book.refused(lease)
            case .success: book.found(lease, asked: asked)
            case .failure(let error): if error.code == .notFound { book.refused(lease) }
            }
        }
    }

    /// A lease that was released is good for nothing.
    private func renewReleased(_ pick: UInt32) {
        let released = former.filter(\.hasEnded)
        guard !released.isEmpty else { return }
        let lease = released[Int(pick) % released.count]
        call("renew of a released lease", PoolService.renew, RenewRequest(lease: lease.token)) { [world] answer in
            let isKnown = world.sings(.releasedLeaseLives, 0.5)
            guard isKnown || (try? answer.get()) != nil else { return }
            world.broken(.lease, "a lease of \(lease.member) that was released is known")
        }
    }

    /// As if the server took another client's leave for this one's.
    func loseLease() {
        guard let lease = leases.first, let token = LeaseToken(lease.token) else { return }
        let mask = party.flatMap { server.tenants?.mask($0) }
        _ = server.fleet.release(mask.map { token.mixed(with: $0) } ?? token)
    }
}

extension Result where Failure == RPCError {
    var error: RPCError? { if case .failure(let error) = self { error } else { nil } }
}
