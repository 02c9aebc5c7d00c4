// SPDX-License-Identifier: Apache-2.0

internal import Access
internal import BerthRPC
internal import BerthSchema
internal import NIOCore

/// As whom a client calls, and whether that is how it is answered.
extension SimulatedClient {
    /// What the server takes a caller for, as far as can be said.
    enum Standing { case known, uncertain, stranger }

    /// What is known of a caller's standing on a connection.
    struct Caller {
        var standing = Standing.stranger
        /// The token that the server has accepted last.
        var shown: String?
        /// Good tokens that it was shown and has not answered.
        var unresolved: Set<String> = []
        /// When a token that it was shown became worth nothing.
        var lastOut: NIODeadline?
        /// Whoever is not known is out by then.
        var mustCloseBy: NIODeadline?
    }

    /// A call, as it was sent.
    struct Ask {
        let number: Int
        let at: NIODeadline
        let standing: Standing
        let on: ClientConnection
    }

    /// The server closes what shows nothing after 10 s. Connections stall for up to 20 s.
    static let farewell = TimeAmount.seconds(45)

    func ask(_ number: Int, on connection: ClientConnection) -> Ask {
        party?.open[number] = world.now
        return Ask(number: number, at: world.now, standing: caller.standing, on: connection)
    }

    /// Whether a call may be answered like this.
    /// - Parameter own: what it would have counted as.
    func judge(_ ask: Ask, _ what: String, _ error: RPCError?, own: [Claim] = [], isHello: Bool = false) {
        guard let party else { return }
        party.open[ask.number] = nil
        let reason = error?.reason
        let isLost = error?.code == .unavailable || connection !== ask.on || isRude
        let isUnheard = reason == .memoryLimit || reason == .clientLimit || reason == .messageTooLarge
        if error?.code == .unauthenticated {
            // It was taken, and ended when its caller was out.
            if ask.standing != .stranger { party.answered(ask.at, now: world.now) }
            let isOut = caller.lastOut.map { $0 >= ask.at } ?? false
            guard ask.standing == .known, !isOut, !isLost, !isHello else { return }
            return world.broken(.known, "\(what) of a caller with a good token was refused: UNAUTHENTICATED")
        }
        if ask.standing == .stranger, !isLost, !isUnheard, !isHello {
            world.broken(.known, "\(what) of a caller whom nobody knows was answered: \(words(error))")
        }
        party.answered(ask.at, now: world.now)
        if reason == .tenantLimit, let error {
            book.refused(party, error, asked: ask.at, own: own)
            if error.metadata["limit"] == "requests_per_second" { return }
        }
        if !isLost, !isUnheard { book.took(party, asked: ask.at) }
    }

    /// Counts an execution for its tenant.
    func claims(_ watch: Watch) -> [Claim] {
        guard let party else { return [] }
        let execution = watch.execution
        let work = Claim(world.now, execution: execution)
        party.works.append(work)
        guard execution.lease == nil else { return [work] }
        // When it was granted nobody can say: the program has to begin before its caller hears of it.
        let lease = Claim(world.now, execution: execution)
        party.leases.append(lease)
        watch.onStart = { [book] in
            lease.granted = book.world.now
            book.checkLeases(of: party)
        }
        return [work, lease]
    }

    /// Whether its tenant's settings, or its caller's, say that it is refused.
    func mayBeRefused(_ execution: ServerBook.Execution, _ error: RPCError) -> Bool {
        guard let policy = party?.policy else { return false }
        switch error.code {
        case .unauthenticated: return true
        case .invalidArgument:
            guard let longest = policy.maxTimeout?.milliseconds else { return false }
            let asked = execution.asked
            return max(asked.timeout.milliseconds, asked.grace.milliseconds, Int64(asked.resumable)) > longest
        case .notFound where execution.lease == nil && policy.pools?.contains("a") != false:
            world.broken(.quota, "there is no pool for \(policy.name), which may use all: \(error)")
            return true
        default: return false
        }
    }

    // MARK: Tokens

    /// Says hello with a token, mostly with one that is good.
    func hello(_ value: UInt32, isFirst: Bool = false) {
        guard let tenants = server.tenants, let party, let on = connection else { return }
        let others = tenants.parties.filter { $0 !== party }
        var (token, isGood) = (tenants.token(party), true)
        switch value % 12 {
        case 0: (token, isGood) = (tenants.wrong, false)
        case 1 where !tenants.former.isEmpty:
            (token, isGood) = (tenants.former[Int(value / 12) % tenants.former.count], false)
        case 2 where isFirst: return
        case 3 where caller.standing == .known && !others.isEmpty && world.canary != .turnsAreIgnored:
            // A connection keeps its tenant.
            (token, isGood) = (tenants.token(others[Int(value / 12) % others.count]), false)
        default: break
        }
        if isGood {
            (caller.standing, caller.mustCloseBy) = (.known, nil)
            caller.unresolved.insert(token)
        }
        call("hello", PoolService.hello, HelloRequest(), token: token, isHello: true) { [self] answer in
            guard connection === on else { return }
            var error: RPCError?
            if case .failure(let failure) = answer { error = failure }
            let isHeard = [nil, .unknownCaller, .tenantLimit].contains(error?.reason)
            guard error?.code != .unavailable, !isRude, isHeard else { return }
            let isRefused = error?.code == .unauthenticated
            if !isGood, !isRefused { world.broken(.known, "a token that is worth nothing here was accepted") }
            guard isGood else { return }
            caller.unresolved.remove(token)
            if !isRefused {
                caller.shown = token
                if caller.standing == .known { for lease in leases { lease.adopt() } }
            } else if !tenants.former.contains(token) {
                world.broken(.known, "a good token was refused")
            }
        }
    }

    /// A token is worth nothing any more.
    func lost(_ token: String) {
        guard connection != nil, caller.shown == token || caller.unresolved.contains(token) else { return }
        caller.lastOut = world.now
        caller.unresolved.remove(token)
        let isStranger = caller.unresolved.isEmpty && (caller.shown == token || caller.shown == nil)
        caller.standing = isStranger ? .stranger : .uncertain
        if caller.shown == token { caller.shown = nil }
        caller.mustCloseBy = isStranger ? world.now + SimulatedClient.farewell + heldUp : nil
        for execution in watches.map(\.execution) {
            execution.isDisturbed = true
            if isStranger, !execution.asked.isResumable {
                execution.mustEnd(by: world.now + execution.asked.grace + ServerBook.slack)
            }
        }
        for lease in leases { lease.orphan(world.now) }
    }

    /// Whether it is out, if it must be.
    func checkIsOut() {
        guard connection != nil, let end = caller.mustCloseBy, world.now > end else { return }
        world.broken(.known, "the connection of a caller whom nobody knows is open")
    }

    // MARK: Others

    /// Calls with what is another tenant's, or nobody's.
    func trespass(_ pick: UInt32, _ value: UInt32) {
        guard let party, connection != nil, caller.standing == .known, world.canary != .turnsAreIgnored else { return }
        let theirs = book.leases.suffix(40).filter { $0.party !== party }.map(\.token)
        // A token that there never was is answered in the same way.
        let made = "0123456789abcdef0123456789abcdef"
        let token = pick % 4 == 0 || theirs.isEmpty ? made : theirs[Int(pick / 4) % theirs.count]
        let programs = book.executions.values.filter { $0.party !== party && !$0.name.isEmpty }
            .sorted { $0.key < $1.key }
        let program = programs.isEmpty ? nil : programs[Int(pick) % programs.count]
        let lease = program?.lease?.token ?? ""
        let name = program?.name ?? "none"
        switch value % 10 {
        case 0: refused(PoolService.renew, RenewRequest(lease: token))
        case 1: refused(PoolService.release, ReleaseRequest(lease: token))
        case 2: refused(PoolService.listExecutions, ListExecutionsRequest(lease: token))
        case 3: refused(PoolService.signal, SignalRequest(lease: lease, execution: name, signal: 9))
        case 4: refused(PoolService.signal, SignalRequest(lease: lease, execution: name, isCancel: true))
        case 5:
            refused(
                PoolService.acknowledge,
                AcknowledgeRequest(lease: lease, execution: name, watcher: 1, stdoutOffset: 1, stderrOffset: 0))
        case 6: refused(PoolService.input, InputRequest(lease: lease, execution: name, offset: 0, data: [1]))
        case 7: refusedStream(PoolService.attach, AttachRequest(lease: lease, execution: name))
        case 8:
            refusedStream(
                PoolService.execute,
                ExecuteRequest(lease: token, argv: ["program", "0"], timeoutMilliseconds: 1000, graceMilliseconds: 1))
        default: askAsOperator(value / 10)
        }
    }

    private func refused<Q, A: Message>(_ method: UnaryMethod<Q, A>, _ request: Q) {
        call("trespass", method, request) { [self] answer in
            var error: RPCError?
            if case .failure(let failure) = answer { error = failure }
            checkRefusal(method.name, error)
        }
    }

    private func refusedStream<Q>(_ method: StreamingMethod<Q, ExecuteEvent>, _ request: Q) {
        guard let connection else { return }
        let number = book.asked("trespass")
        let ask = ask(number, on: connection)
        let client = NIOLoopBound(self, eventLoop: world.loop)
        connection.stream(method, request) { event in
            let client = client.value
            guard case .end(let error) = event else { return client.checkRefusal(method.name, nil) }
            client.book.answered(number)
            client.judge(ask, method.name, error)
            client.checkRefusal(method.name, error)
        }
    }

    /// What another has is answered like what there is not.
    private func checkRefusal(_ what: String, _ error: RPCError?) {
        var error = error
        if world.sings(.refusalGivesAHint) { error?.message += ", or it is another's" }
        switch error?.code {
        case .notFound:
            let words = [
                "no such lease, or it has ended",
                "no such execution in this lease, or it has ended and is no longer kept",
            ]
            if let error, !words.contains(error.message) {
                world.broken(.apart, "\(what) with what is another's is told: \(error)")
            }
        case .unauthenticated, .unavailable, .resourceExhausted, .cancelled: break
        default:
            if isRude { return }
            world.broken(.apart, "\(what) with what is another's is answered: \(words(error))")
        }
    }

    private func words(_ error: RPCError?) -> String { error.map { "\($0)" } ?? "it is done" }

    private func askAsOperator(_ value: UInt32) {
        guard let party, let tenants = server.tenants else { return }
        let isOperator = party.policy.role == .operator
        func check(_ what: String, _ isDone: Bool, _ error: RPCError?) {
            if isDone, !isOperator { world.broken(.role, "\(what) was done for \(party.name), which is no operator") }
            if let error, error.code == .permissionDenied, isOperator {
                world.broken(.role, "\(what) was refused to \(party.name), which is an operator: \(error)")
            }
        }
        guard value % 2 == 0 else {
            return call("admin", AdminService.listMembers, ListMembersRequest()) { answer in
                check("ListMembers", answer.error == nil, answer.error)
            }
        }
        let other = tenants.parties[Int(value / 2) % tenants.parties.count]
        call("quota", PoolService.quota, QuotaRequest(tenant: other.name)) { answer in
            switch answer {
            case .failure(let error): check("Quota", false, error)
            case .success(let response):
                if other !== party { check("Quota", true, nil) }
                if response.tenants.map(\.tenant) != [other.name] {
                    self.world.broken(.role, "the quota of \(other.name) is that of \(response.tenants.map(\.tenant))")
                }
            }
        }
    }
}
