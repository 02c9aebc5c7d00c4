// SPDX-License-Identifier: Apache-2.0

internal import BerthRPC
internal import BerthSchema
internal import NIOCore
internal import Pool

/// A client of a simulated server, with at most one connection at a time.
final class SimulatedClient {
    let number: Int
    private let server: SimulatedServer
    let book: ServerBook
    var world: World { server.world }
    private(set) var wire: Wire?
    private(set) var connection: ClientConnection?
    private(set) var leases: [ServerBook.Lease] = []
    /// Leases that it has released.
    private var former: [ServerBook.Lease] = []
    private(set) var watches: [Watch] = []
    /// Executions that go on without a watcher.
    private(set) var resumable: [ServerBook.Execution] = []
    /// Executions with large requests, and where these end on the connection.
    private var large: [(execution: ServerBook.Execution, end: Int?)] = []
    /// It has broken the rules of the connection, whose fate is open now.
    private(set) var isRude = false
    /// It does not read before this.
    private var pausedUntil = NIODeadline.uptimeNanoseconds(0)
    var isPaused: Bool { pausedUntil >= world.now }

    init(_ number: Int, _ server: SimulatedServer, _ book: ServerBook) {
        (self.number, self.server, self.book) = (number, server, book)
    }

    // MARK: The connection

    func connect() {
        guard connection == nil, let wire = try? server.connect(client: number), let near = wire.near.channel else {
            return
        }
        self.wire = wire
        isRude = false
        ClientConnection.adopt(near).assumeIsolated().whenSuccess { [self] adopted in
            connection = adopted
            wire.near.begin()
            adopted.closed.assumeIsolated().whenComplete { [self] _ in
                if connection === adopted { gone() }
            }
        }
    }

    private func gone() {
        connection = nil
        wire = nil
        for lease in leases {
            lease.isOrphaned = true
            book.mustEnd(lease)
        }
        leases = []
        for execution in watches.map(\.execution) {
            execution.isDisturbed = true
            guard !execution.asked.isResumable else { continue }
            execution.mustEnd(by: world.now + execution.asked.grace + ServerBook.slack)
        }
        watches = []
        large = []
    }

    /// It goes away, with or without a word.
    func leave(isCut: Bool) {
        guard let connection, let wire else { return }
        for watch in watches { watch.execution.isDisturbed = true }
        // A lease may end from now on.
        for lease in leases { lease.isOrphaned = true }
        if world.canary == .closeIsNotSeen { return gone() }
        if isCut { wire.cut() } else { connection.close() }
        gone()
    }

    /// Bytes that are no frames, or frames that may not be.
    func breakRules(_ value: UInt32) {
        guard let near = wire?.near.channel, connection != nil else { return }
        isRude = true
        var bytes = ByteBuffer()
        switch value % 4 {
        case 0: bytes.writeBytes([0, 0, 0, 4, 0, 0, 0, 2, 1, 0, 1, 2, 3, 4])
        case 1: bytes.writeBytes([0, 0, 0, 0, 0, 0, UInt8(value >> 8 & 0xFF), 1, 3, 0])
        case 2: bytes.writeBytes([0, 0, 0, 3, 0x7F, 0, 0, 1, 9, 0xFF, 0xFF, 0xFF, 0xFF])
        default: bytes.writeBytes([0, 0, 0, 2, 0x7F, 0, 0, 3, 1, 0, 0x0A, 0x7F])
        }
        near.writeAndFlush(bytes, promise: nil)
    }

    /// Nothing arrives in either direction for a while.
    func stall(_ time: TimeAmount) {
        guard let wire else { return }
        book.delay(by: time)
        wire.stall(time)
    }

    /// How long it will neither be heard nor hear.
    private var heldUp: TimeAmount {
        let until = max(pausedUntil, wire?.stalledUntil ?? pausedUntil)
        return until > world.now ? until - world.now : .zero
    }

    func pauseReading(_ time: TimeAmount) {
        guard let connection else { return }
        book.delay(by: time)
        connection.pauseReading()
        pausedUntil = max(pausedUntil, world.now + time)
        world.after(time) { connection.resumeReading() }
    }

    // MARK: Calls

    /// - Parameter lease: whose time it extends, as far as is known.
    func call<Q, A: Message>(
        _ what: String, _ method: UnaryMethod<Q, A>, _ request: Q, in lease: ServerBook.Lease? = nil,
        due: NIODeadline? = nil, _ then: @escaping (Result<A, RPCError>) -> Void
    ) {
        guard let connection else { return }
        let number = book.asked(what, due: due.map { $0 + heldUp })
        lease?.calls += 1
        let isolated = NIOLoopBound(then, eventLoop: world.loop)
        let isLost = world.sings(.answerIsLost, 0.02)
        let leased = NIOLoopBound(lease, eventLoop: world.loop)
        connection.unary(method, request) { [book = NIOLoopBound(book, eventLoop: world.loop)] answer in
            leased.value?.calls -= 1
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
        let (asked, on) = (world.now, connection)
        var request = AcquireRequest(waitMilliseconds: wait, ttlMilliseconds: ttl)
        if world.canary == .waitIsTooLong { request.waitMilliseconds = 400_000 }
        if world.canary == .waitIsTooShort { request.waitMilliseconds = 1 }
        // Without a time of its own it has the server's.
        let time = TimeAmount.milliseconds(wait == 0 ? SimulatedServer.defaultWait : Int64(wait))
        call("acquire", PoolService.acquire, request, due: asked + time + .seconds(60)) { [self] answer in
            if case .failure(let error) = answer, error.code == .deadlineExceeded, world.now < asked + time {
                world.broken(.answered, "an acquire was given up before its time of \(time)")
            }
            guard case .success(var response) = answer else { return }
            if world.canary == .leaseLivesTooLong { response.ttlMilliseconds /= 20 }
            if world.canary == .leaseEndsTooSoon { response.ttlMilliseconds *= 20 }
            if world.sings(.leaseComesTwice), let other = book.leases.last { response.lease = other.token }
            if world.sings(.memberIsLeasedTwice), let other = leases.last { response.member = other.member }
            let lease = book.granted(response, asked: asked)
            if connection === on, connection != nil { leases.append(lease) } else { lease.isOrphaned = true }
        }
    }

    func lease(_ pick: UInt32) -> ServerBook.Lease? {
        leases.isEmpty ? nil : leases[Int(pick) % leases.count]
    }

    func release(_ pick: UInt32) {
        guard let lease = lease(pick) else { return }
        lease.isReleased = true
        leases.removeAll { $0 === lease }
        former.append(lease)
        call("release", PoolService.release, ReleaseRequest(lease: lease.token)) { [book] answer in
            guard case .success = answer else { return }
            lease.hasEnded = true
            book.mustEnd(lease)
        }
    }

    func renew(_ pick: UInt32) {
        if pick % 2 == 0, former.contains(where: \.hasEnded) { return renewReleased(pick) }
        guard let lease = lease(pick) else { return }
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

    func signal(_ pick: UInt32, _ value: UInt32) {
        let living = watches.filter { !$0.execution.name.isEmpty }
        guard !living.isEmpty else { return }
        let execution = living[Int(pick) % living.count].execution
        execution.isDisturbed = true
        call(
            "signal", PoolService.signal,
            SignalRequest(
                lease: execution.lease?.token ?? "", execution: execution.name, signal: value % 2 == 0 ? 9 : 0,
                isCancel: value % 2 == 1), in: execution.lease
        ) { [world] answer in
            guard value % 2 == 1, case .success = answer else { return }
            execution.mustEnd(by: world.now + execution.asked.grace + ServerBook.slack)
        }
    }

    /// As if the server took another client's leave for this one's.
    func loseLease() {
        guard let lease = leases.first, let token = LeaseToken(lease.token) else { return }
        _ = server.fleet.release(token)
    }

    // MARK: Executions

    func execute(_ execution: ServerBook.Execution, _ request: ExecuteRequest, _ manner: Watch.Manner) {
        book.add(execution)
        if execution.asked.isResumable { resumable.append(execution) }
        if execution.asked.input >= 64 << 10 { large.append((execution, nil)) }
        let watch = Watch(
            execution, book, window: request.windowBytes, manner, isResumed: false,
            acknowledge: { [weak self] in self?.acknowledge($0, in: execution.lease) })
        stream(PoolService.execute, request, watch)
    }

    /// Bytes of large requests that the server has read, has not answered, and has not given to an agent.
    func heldByServer() -> Int {
        guard let wire, !isPaused, wire.isReadByNear else { return 0 }
        large.removeAll { large in
            large.execution.hasBegun || !watches.contains { $0.execution === large.execution && !$0.hasHeard }
        }
        // A connection writes when the write before is done.
        if !wire.near.isWriting {
            for index in large.indices where large[index].end == nil { large[index].end = wire.near.written }
        }
        return large.reduce(0) { sum, large in
            large.end.map { $0 <= wire.far.read } == true ? sum + large.execution.asked.input : sum
        }
    }

    func attach(_ pick: UInt32, window: UInt64, _ manner: Watch.Manner) {
        let there = resumable.filter { !$0.name.isEmpty }
        guard !there.isEmpty else { return }
        // One of the last: the others are not kept any more.
        let execution = there[there.count - 1 - Int(pick) % min(there.count, 6)]
        let watch = Watch(
            execution, book, window: window, manner, isResumed: true,
            acknowledge: { [weak self] in self?.acknowledge($0, in: execution.lease) })
        stream(
            PoolService.attach,
            AttachRequest(lease: execution.lease?.token ?? "", execution: execution.name, windowBytes: window), watch)
    }

    private func stream<Q>(_ method: StreamingMethod<Q, ExecuteEvent>, _ request: Q, _ watch: Watch) {
        guard let connection else { return }
        let isFirst = method.name == PoolService.execute.name
        let number = book.asked(method.name)
        watches.append(watch)
        watch.execution.lease?.calls += 1
        let asked = world.now
        // A watch that held this would keep itself, and all that it has seen.
        watch.onEnd = { [weak self, unowned watch] error in
            guard let self else { return }
            watch.execution.lease?.calls -= 1
            book.answered(number)
            watches.removeAll { $0 === watch }
            if isFirst { over(watch, error, asked: asked) }
            book.used(watch.execution.lease)
        }
        let isolated = NIOLoopBound(watch, eventLoop: world.loop)
        connection.stream(method, request) { isolated.value.receive($0) }
    }

    private func over(_ watch: Watch, _ error: RPCError?, asked: NIODeadline) {
        let execution = watch.execution
        if let lease = execution.lease {
            book.noLongerRuns(execution)
            if error?.code == .notFound { book.refused(lease) }
            if error == nil { book.found(lease, asked: asked) }
        }
        guard let error else { return }
        // The connection is gone, and with it whoever would have been told: the server may end it.
        if error.code == .unavailable { execution.isDisturbed = true }
        book.count("refused: \(error.code)")
        if ![.notFound, .unavailable, .resourceExhausted, .deadlineExceeded, .cancelled].contains(error.code), !isRude {
            world.broken(.answered, "an Execute was answered with \(error)")
        }
    }

    private func acknowledge(_ request: AcknowledgeRequest, in lease: ServerBook.Lease?) {
        if world.sings(.acknowledgementIsLost, 0.5) { return }
        call("acknowledge", PoolService.acknowledge, request, in: lease) { [self] answer in
            guard case .failure(let error) = answer, error.code == .invalidArgument else { return }
            world.broken(.window, "an acknowledgement of what had come was refused: \(error)")
        }
    }

    /// From now on it does as it should.
    func calm() {
        connection?.resumeReading()
        pausedUntil = .uptimeNanoseconds(0)
        for watch in watches { watch.hurry() }
    }
}
