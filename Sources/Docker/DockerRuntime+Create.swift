// SPDX-License-Identifier: Apache-2.0

internal import CHost
internal import CurlHTTP
internal import GatedLog
internal import Hardening
internal import Logging
package import Pool
internal import Synchronization

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

extension DockerRuntime {
    package func create(_ member: MemberID, _ template: MemberTemplate) async throws(RuntimeError) -> MemberStream {
        let accepted: AcceptedSocket
        let user: MemberUser
        do {
            let image = try await images.forCreate(template)
            let surroundings = try await surroundings()
            let base = try await accounts(template.image, image)
            var accounts = base
            user = surroundings.user(of: template, &accounts)
            let order = Order(
                member: member, template: template, image: image, uid: user.uid, imageAccounts: base,
                accounts: accounts, surroundings: surroundings)
            accepted = try await carry(order)
        } catch {
            throw endpoint.explain(error)
        }
        guard let descriptor = accepted.take() else { throw RuntimeError(.failed, "the agent's connection is gone") }
        // Only then is the agent the peer of this socket.
        let isAgents = carrier(of: template) == .mounted
        return MemberStream(
            socket: descriptor, user: user,
            memoryKills: isAgents ? MemoryKills(process: berth_peer(descriptor)) : engineKills.of(member),
            cpu: isAgents ? CPUMeter(process: berth_peer(descriptor)) : nil)
    }

    /// Creates the member with the carrier that works on this engine, which the first create finds out. An engine in
    /// another container, or on another or a virtual machine, does not have the files to mount. An engine whose
    /// containers have their own kernel (gVisor, Kata) mounts the socket, but nothing can connect to it.
    private func carry(_ order: Order) async throws -> AcceptedSocket {
        switch carrier(of: order.template) {
        case .mounted: return try await createMounted(order)
        case .attached:
            do {
                return try await createAttached(order, isDoubtful: false)
            } catch let refusal as EngineRefusal where memberFiles.isAbout(refusal) {
                // Somebody has removed the volume before the container was started.
                memberFiles.forget()
                try await removeContainer(order.member, ContinuousClock.now + .seconds(30))
                return try await createAttached(order, isDoubtful: false)
            }
        case nil: break
        }
        let doubt: any Error
        do {
            let accepted = try await createMounted(order)
            choose(.mounted, for: order.template)
            return accepted
        } catch {
            guard !Task.isCancelled, isAboutFiles(error) else { throw error }
            doubt = error
        }
        try await removeContainer(order.member, ContinuousClock.now + .seconds(30))
        let accepted: AcceptedSocket
        do {
            accepted = try await createAttached(order, isDoubtful: true)
        } catch {
            // If neither carrier works, the container itself is wrong, and the first error says how.
            guard !Task.isCancelled, doubt is EngineRefusal else { throw doubt }
            throw RuntimeError(
                .invalidConfiguration,
                "the engine at \(endpoint) does not see this server's files (\(endpoint.explain(doubt).message)), and the "
                    + "agent can't be brought to it: \(endpoint.explain(error).message); run berth where the engine runs, "
                    + "or mount \(directories.base) and \(agentPath) at the same paths for both")
        }
        choose(.attached, for: order.template)
        logger.notice(
            "the engine does not see this server's files: the agent goes there in a volume, its stream through the engine",
            metadata: ["docker.endpoint": "\(endpoint)", "runtime.reason": "\(endpoint.explain(doubt).message)"])
        return accepted
    }

    /// Nil if no create has found out yet.
    private func carrier(of template: MemberTemplate) -> Carrier? { carriers.withLock { $0[template.runtimeName] } }

    private func choose(_ carrier: Carrier, for template: MemberTemplate) {
        carriers.withLock { $0[template.runtimeName] = carrier }
    }

    /// Whether the error may mean that the engine does not have the files to mount, or has others in their place.
    private func isAboutFiles(_ error: any Error) -> Bool {
        switch error {
        case let refusal as EngineRefusal:
            [directories.base, agentPath, MemberFiles.mountPoint].contains { refusal.message.contains($0) }
        // The agent exits with 1 if it can't connect to its socket.
        case let end as EndedEarly: end.code == 1
        default: false
        }
    }

    private func createMounted(_ order: Order) async throws -> AcceptedSocket {
        let socket = try AgentSocket(directory: try directories.make(order.member))
        try directories.write(order.accounts, in: socket.directory)
        var mounts: [HostSettings.Mount] = [
            .init(Source: agentPath, Target: Self.agentInContainer),
            .init(Source: socket.directory, Target: Self.socketsInContainer),
        ]
        for name in Accounts.fileNames {
            mounts.append(.init(Source: "\(socket.directory)/\(name)", Target: "/etc/\(name)"))
        }
        let command = [Self.agentInContainer, "--connect", "\(Self.socketsInContainer)/\(AgentSocket.name)"]
        try await createContainer(order.member, request(order, command, mounts))
        let accepted = try await start(order.member) { try await socket.accept() }
        accepted.limitSockets(gate)
        return accepted
    }

    private func createAttached(_ order: Order, isDoubtful: Bool) async throws -> AcceptedSocket {
        let member = order.member
        let volume = try await memberFiles.agent(image: order.image.Id ?? order.template.image)
        engineKills.start()
        let agent = HostSettings.Mount(
            Type: "volume", Source: volume, Target: MemberFiles.mountPoint, VolumeOptions: .init())
        var body = request(order, [Self.agentInContainer, "--stdio"], [agent])
        (body.AttachStdin, body.AttachStdout, body.AttachStderr) = (true, true, true)
        (body.OpenStdin, body.StdinOnce) = (true, true)
        try await createContainer(order, withAccounts: body)
        let stream = try await attach(member)
        let accepted = try await start(member) { stream }
        if isDoubtful {
            // With the other carrier the agent ended early, so this one must live for a moment before the carrier is
            // chosen.
            try await Task.sleep(for: .milliseconds(300))
            if case .ended(let end) = try await condition(of: member) { throw end }
        }
        return accepted
    }

    /// Creates the container with the member's accounts, which are mounted from a volume by its path on the engine.
    private func createContainer(_ order: Order, withAccounts body: ContainerRequest) async throws {
        var reason: EngineRefusal?
        // Twice, because somebody may have removed the volume: then a new one is used.
        for _ in 0..<2 {
            let accounts = try await memberFiles.accounts(order)
            guard !accounts.isEmpty else { break }
            var body = body
            body.HostConfig.Mounts += accounts
            do {
                return try await createContainer(order.member, body)
            } catch let refusal as EngineRefusal where accounts.contains(where: { refusal.message.contains($0.Source) })
            {
                memberFiles.forgetAccounts()
                reason = refusal
            }
        }
        if let reason {
            memberFiles.canMountNoAccounts()
            logger.notice(
                "the engine can't mount files of its own volumes: users have the names that the image gives them, or none",
                metadata: ["runtime.reason": "\(reason.message)"])
        }
        try await createContainer(order.member, body)
    }

    /// Attaches to standard input and output of the container, before it is started.
    private func attach(_ member: MemberID) async throws -> AcceptedSocket {
        let request = HTTPRequest(
            .post, containerPath(member, "/attach"),
            query: ["stream", "stdin", "stdout", "stderr"].map { ($0, "1") }, timeout: .seconds(30))
        return AcceptedSocket(try await engine.upgrade(request, decoder: Demultiplexer()))
    }

    /// Creates the container in a task that outlives a cancelled caller: an engine creates the container even if the
    /// client has left, and `remove` has to know when that is decided.
    private func createContainer(_ member: MemberID, _ body: ContainerRequest) async throws {
        let request = HTTPRequest(
            .post, "/containers/create", query: [("name", containerName(member))], body: try Engine.encode(body),
            timeout: .seconds(120))
        let task = creates.withLock { pending in
            let task = Task { [self] in
                do {
                    let reply = try await engine.call(request, returning: CreateReply.self)
                    creates.withLock { $0[member] = nil }
                    for warning in reply.Warnings ?? [] {
                        logger.debug("the engine warns", metadata: ["warning": "\(warning)", "member": "\(member)"])
                    }
                } catch {
                    creates.withLock { creates in
                        if error is EngineRefusal { creates[member] = nil } else { creates[member]?.isUncertain = true }
                    }
                    throw error
                }
            }
            pending[member] = PendingCreate(task: task)
            return task
        }
        guard let outcome = await abandonable(task) else { throw CancellationError() }
        try outcome.get()
    }

    private enum Progress {
        case started
        case connected(AcceptedSocket)
        case ended(EndedEarly)
        case nothing
    }

    /// Starts the container, and waits for its agent or its end, whichever comes first.
    private func start(
        _ member: MemberID, _ accept: @escaping @Sendable () async throws -> AcceptedSocket
    ) async throws -> AcceptedSocket {
        let (watched, watching) = AsyncStream.makeStream(of: Void.self)
        return try await withThrowingTaskGroup(of: Progress.self) { group in
            group.addTask { [self] in
                defer { watching.finish() }
                return .ended(try await end(member) { watching.finish() })
            }
            group.addTask { [self] in
                // The watch must begin before the start, otherwise a short life would be missed. Some engines do not
                // confirm the watch: after a second, the start no longer waits for that.
                for await _ in watched {}
                try await engine.call(HTTPRequest(.post, containerPath(member, "/start"), timeout: .seconds(60)))
                return .started
            }
            group.addTask { .connected(try await accept()) }
            group.addTask {
                try? await Task.sleep(for: .seconds(1))
                watching.finish()
                return .nothing
            }
            defer { group.cancelAll() }
            return try await Self.decide(&group)
        }
    }

    /// Always waits for the answer to the start: it says best why a container ended, and newer engines cancel a start
    /// if the client leaves.
    private static func decide(_ group: inout ThrowingTaskGroup<Progress, any Error>) async throws -> AcceptedSocket {
        var isStarted = false
        var accepted: AcceptedSocket?
        var ended: EndedEarly?
        while let progress = try await group.next() {
            switch progress {
            case .started: isStarted = true
            case .connected(let socket): accepted = socket
            case .ended(let how): ended = how
            case .nothing: continue
            }
            guard isStarted else { continue }
            if let accepted { return accepted }
            if let ended { throw ended }
        }
        throw CancellationError()
    }

    /// Waits for the next end of the container. Calls `onWatching` when the engine has begun to watch.
    ///
    /// The answer of the engine is verified, since Podman has answered -1, with an error, for a container that went on.
    private func end(_ member: MemberID, onWatching: @escaping @Sendable () -> Void) async throws -> EndedEarly {
        // A day, since the caller cancels it.
        let request = HTTPRequest(
            .post, containerPath(member, "/wait"), query: [("condition", "next-exit")], timeout: .seconds(86_400))
        while true {
            var said: EndedEarly
            do {
                let response = try await engine.call(request) { _ in onWatching() }
                let reply: WaitReply = try Engine.decode(response.body)
                said = EndedEarly(code: reply.StatusCode, words: reply.Error?.Message)
            } catch {
                try Task.checkCancellation()
                said = EndedEarly(code: nil, words: endpoint.explain(error).message)
            }
            if case .ended(let seen) = try await condition(of: member) {
                if said.code == nil || said.code == -1 { said.code = seen.code }
                return said
            }
            logger.debug(
                "the engine reported an end that did not happen",
                metadata: ["member": "\(member)", "engine.said": "\(said.how)"])
            try await Task.sleep(for: .milliseconds(50))
        }
    }

    private enum Condition {
        case alive
        case ended(EndedEarly)
    }

    /// The condition of the container by inspection. Before its start it counts as alive.
    private func condition(of member: MemberID) async throws -> Condition {
        do {
            let details = try await engine.call(
                HTTPRequest(.get, containerPath(member, "/json")), returning: ContainerDetails.self)
            guard let state = details.State else { return .alive }
            let isOver = ["exited", "dead", "removing", "stopped"].contains(state.Status ?? "")
            return isOver ? .ended(EndedEarly(code: state.ExitCode, words: state.Error)) : .alive
        } catch let refusal as EngineRefusal where refusal.status == 404 {
            return .ended(EndedEarly(code: nil, words: nil))
        }
    }
}

/// The order to create a member.
struct Order: Sendable {
    var member: MemberID
    var template: MemberTemplate
    var image: ImageDetails
    /// The user id of programs.
    var uid: UInt32
    var imageAccounts: Accounts
    /// The contents of its /etc/passwd and /etc/group.
    var accounts: Accounts
    var surroundings: EngineSurroundings
}

/// A container that ended before its agent had connected.
struct EndedEarly: Error {
    var code: Int?
    /// The engine's message.
    var words: String?

    var how: String {
        let words = words.flatMap { $0.isEmpty ? nil : ": \($0)" } ?? ""
        return (code.map { "with code \($0)" } ?? "without an exit code") + words
    }
}
