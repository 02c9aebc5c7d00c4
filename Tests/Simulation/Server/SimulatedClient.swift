// SPDX-License-Identifier: Apache-2.0

internal import BerthRPC
internal import BerthSchema
internal import NIOCore
internal import Pool

/// A client of a simulated server, with at most one connection at a time.
final class SimulatedClient {
    let number: Int
    let server: SimulatedServer
    let book: ServerBook
    var world: World { server.world }
    private(set) var wire: Wire?
    private(set) var connection: ClientConnection?
    var leases: [ServerBook.Lease] = []
    /// Leases that it has released.
    var former: [ServerBook.Lease] = []
    private(set) var watches: [Watch] = []
    /// Executions that go on without a watcher.
    var resumable: [ServerBook.Execution] = []
    /// Executions with large requests, and where these end on the connection.
    private var large: [(execution: ServerBook.Execution, end: Int?)] = []
    /// It has broken the rules of the connection, whose fate is open now.
    var isRude = false
    /// It does not read before this.
    var pausedUntil = NIODeadline.uptimeNanoseconds(0)
    var isPaused: Bool { pausedUntil >= world.now }

    /// Whose it is, and what the server takes it for.
    let party: Party?
    var caller = Caller()
    /// Its acquires that have no answer yet.
    var waiting: [Waiter] = []

    init(_ number: Int, _ server: SimulatedServer, _ book: ServerBook) {
        (self.number, self.server, self.book) = (number, server, book)
        party = server.tenants?.party(number)
    }

    // MARK: The connection

    func connect(_ value: UInt32) {
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
            guard party != nil else { return }
            caller = Caller()
            caller.mustCloseBy = world.now + SimulatedClient.farewell
            hello(value, isFirst: true)
        }
    }

    private func gone() {
        connection = nil
        wire = nil
        for lease in leases {
            lease.orphan(world.now)
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
        for waiter in waiting { stopsWaiting(waiter) }
        caller = Caller()
    }

    /// It goes away, with or without a word.
    func leave(isCut: Bool) {
        guard let connection, let wire else { return }
        for watch in watches { watch.execution.isDisturbed = true }
        // A lease may end from now on.
        for lease in leases { lease.orphan(world.now) }
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
        caller.mustCloseBy = caller.mustCloseBy.map { $0 + time }
        wire.stall(time)
    }

    /// How long it will neither be heard nor hear.
    var heldUp: TimeAmount {
        let until = max(pausedUntil, wire?.stalledUntil ?? pausedUntil)
        return until > world.now ? until - world.now : .zero
    }

    func pauseReading(_ time: TimeAmount) {
        guard let connection else { return }
        book.delay(by: time)
        caller.mustCloseBy = caller.mustCloseBy.map { $0 + time }
        connection.pauseReading()
        pausedUntil = max(pausedUntil, world.now + time)
        world.after(time) { connection.resumeReading() }
    }

    // MARK: Executions

    func execute(_ execution: ServerBook.Execution, _ request: ExecuteRequest, _ manner: Watch.Manner) {
        book.add(execution)
        (execution.party, execution.isStrangers) = (party, party != nil && caller.standing == .stranger)
        if execution.asked.isResumable { resumable.append(execution) }
        if execution.asked.input >= 64 << 10 { large.append((execution, nil)) }
        let watch = Watch(
            execution, book, window: request.windowBytes, manner, isResumed: false,
            acknowledge: { [weak self] in self?.acknowledge($0, in: execution) })
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
            acknowledge: { [weak self] in self?.acknowledge($0, in: execution) })
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
        let ask = ask(number, on: connection)
        let works = isFirst ? claims(watch) : []
        // A watch that held this would keep itself, and all that it has seen.
        watch.onEnd = { [weak self, unowned watch] error in
            guard let self else { return }
            watch.execution.lease?.calls -= 1
            book.answered(number)
            watches.removeAll { $0 === watch }
            if !watch.isAnswered || error?.code == .unauthenticated { judge(ask, method.name, error, own: works) }
            if isFirst { over(watch, error, works, asked: asked) }
            book.used(watch.execution.lease)
        }
        watch.onAnswer = { [weak self, unowned watch] in
            self?.judge(ask, method.name, nil)
            if isFirst { self?.goOnTyping(into: watch.execution) }
        }
        let isolated = NIOLoopBound(watch, eventLoop: world.loop)
        connection.stream(method, request) { isolated.value.receive($0) }
    }

    private func over(_ watch: Watch, _ error: RPCError?, _ works: [Claim], asked: NIODeadline) {
        let execution = watch.execution
        execution.streamOver = world.now
        let isOver = execution.ended != nil || !watch.isAnswered && error?.code != .unavailable
        if isOver { for claim in works { claim.over = world.now } }
        if let lease = execution.lease {
            book.noLongerRuns(execution)
            if error?.code == .notFound { book.refused(lease) }
            if error == nil { book.found(lease, asked: asked) }
        }
        guard let error else { return }
        // The connection is gone, and with it whoever would have been told: the server may end it.
        if error.code == .unavailable { execution.isDisturbed = true }
        book.count("refused: \(error.code)")
        if mayBeRefused(execution, error) { return }
        if ![.notFound, .unavailable, .resourceExhausted, .deadlineExceeded, .cancelled].contains(error.code), !isRude {
            world.broken(.answered, "an Execute was answered with \(error)")
        }
    }

    private func acknowledge(_ request: AcknowledgeRequest, in execution: ServerBook.Execution) {
        if world.sings(.acknowledgementIsLost, 0.5) { return }
        call("acknowledge", PoolService.acknowledge, request, in: execution.lease) { [self] answer in
            if let time = answer.error?.metadata["retry_after_ms"].flatMap({ Int64($0) }) {
                // What is acknowledged too soon is acknowledged again.
                execution.retries += 1
                world.after(.milliseconds(time + 20)) { [weak self] in
                    execution.retries -= 1
                    self?.acknowledge(request, in: execution)
                }
            }
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
