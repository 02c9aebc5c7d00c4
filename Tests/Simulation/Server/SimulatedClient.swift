// SPDX-License-Identifier: Apache-2.0

internal import BerthRPC
internal import BerthSchema
internal import NIOCore

/// A client of a simulated server, with at most one connection at a time.
final class SimulatedClient {
    let number: Int
    private let server: SimulatedServer
    private let book: ServerBook
    private var world: World { server.world }
    private(set) var wire: Wire?
    private(set) var connection: ClientConnection?
    private(set) var leases: [ServerBook.Lease] = []
    /// Leases that it has released.
    private var former: [ServerBook.Lease] = []
    private(set) var watches: [Watch] = []
    /// Executions that go on without a watcher.
    private(set) var resumable: [ServerBook.Execution] = []
    /// It has broken the rules of the connection, whose fate is open now.
    private var isRude = false

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
        for lease in leases { lease.isOrphaned = true }
        leases = []
        for watch in watches { watch.execution.isDisturbed = true }
        watches = []
    }

    /// It goes away, with or without a word.
    func leave(isCut: Bool) {
        guard let connection, let wire else { return }
        for watch in watches { watch.execution.isDisturbed = true }
        // A lease may end from now on.
        for lease in leases { lease.isOrphaned = true }
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

    func pauseReading(_ time: TimeAmount) {
        guard let connection else { return }
        connection.pauseReading()
        world.after(time) { connection.resumeReading() }
    }

    // MARK: Calls

    private func call<Q, A: Message>(
        _ what: String, _ method: UnaryMethod<Q, A>, _ request: Q, _ then: @escaping (Result<A, RPCError>) -> Void
    ) {
        guard let connection else { return }
        let number = book.asked(what)
        let isolated = NIOLoopBound(then, eventLoop: world.loop)
        let isLost = world.sings(.answerIsLost, 0.02)
        connection.unary(method, request) { [book = NIOLoopBound(book, eventLoop: world.loop)] answer in
            if !isLost { book.value.answered(number) }
            isolated.value(
                answer.flatMap { buffer in
                    buffer.withUnsafeReadableBytes { bytes in
                        Result { () throws(SchemaError) in try A(decoding: bytes, arena: Arena()) }
                            .mapError { RPCError(.dataLoss, $0.description) }
                    }
                })
        }
    }

    func acquire(wait: UInt32, ttl: UInt32) {
        let (asked, on) = (world.now, connection)
        call("acquire", PoolService.acquire, AcquireRequest(waitMilliseconds: wait, ttlMilliseconds: ttl)) {
            [self] answer in
            guard case .success(var response) = answer else { return }
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
        call("release", PoolService.release, ReleaseRequest(lease: lease.token)) { answer in
            if case .success = answer { lease.hasEnded = true }
        }
    }

    func renew(_ pick: UInt32) {
        if pick % 2 == 0, former.contains(where: \.hasEnded) { return renewReleased(pick) }
        guard let lease = lease(pick) else { return }
        let asked = world.now
        call("renew", PoolService.renew, RenewRequest(lease: lease.token)) { [book] answer in
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
                isCancel: value % 2 == 1)
        ) { _ in }
    }

    // MARK: Executions

    func execute(_ execution: ServerBook.Execution, _ request: ExecuteRequest, _ manner: Watch.Manner) {
        book.add(execution)
        if request.resumableMilliseconds > 0 { resumable.append(execution) }
        let watch = Watch(
            execution, book, window: request.windowBytes, manner, isResumed: false,
            acknowledge: { [weak self] in self?.acknowledge($0) })
        stream(PoolService.execute, request, watch)
    }

    func attach(_ pick: UInt32, window: UInt64, _ manner: Watch.Manner) {
        let there = resumable.filter { !$0.name.isEmpty }
        guard !there.isEmpty else { return }
        let execution = there[Int(pick) % there.count]
        let watch = Watch(
            execution, book, window: window, manner, isResumed: true,
            acknowledge: { [weak self] in self?.acknowledge($0) })
        stream(
            PoolService.attach,
            AttachRequest(lease: execution.lease?.token ?? "", execution: execution.name, windowBytes: window), watch)
    }

    private func stream<Q>(_ method: StreamingMethod<Q, ExecuteEvent>, _ request: Q, _ watch: Watch) {
        guard let connection else { return }
        let isFirst = method.name == PoolService.execute.name
        let number = book.asked(method.name)
        watches.append(watch)
        let asked = world.now
        watch.onEnd = { [weak self] error in
            guard let self else { return }
            book.answered(number)
            watches.removeAll { $0 === watch }
            if isFirst { over(watch, error, asked: asked) }
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
        book.count("refused: \(error.code)")
        if ![.notFound, .unavailable, .resourceExhausted, .deadlineExceeded, .cancelled].contains(error.code), !isRude {
            world.broken(.answered, "an Execute was answered with \(error)")
        }
    }

    private func acknowledge(_ request: AcknowledgeRequest) {
        call("acknowledge", PoolService.acknowledge, request) { [self] answer in
            guard case .failure(let error) = answer, error.code == .invalidArgument else { return }
            world.broken(.window, "an acknowledgement of what had come was refused: \(error)")
        }
    }

    /// From now on it does as it should.
    func calm() {
        connection?.resumeReading()
        for watch in watches { watch.hurry() }
    }
}
