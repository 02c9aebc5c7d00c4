internal import CurlHTTP
internal import Logging
public import Pool
internal import Synchronization

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

extension DockerRuntime {
    public func create(_ member: MemberID, _ template: MemberTemplate) async throws(RuntimeError) -> MemberStream {
        let accepted: AcceptedSocket
        let user: MemberUser
        do {
            let image = try await images.detailsPulling(template.image)
            let surroundings = try await surroundings()
            var accounts = try await accounts(template.image, image)
            user = surroundings.user(of: template, &accounts)
            let socket = try AgentSocket(directory: try directories.make(member))
            try directories.write(accounts, in: socket.directory)
            let request = request(member, template, image, socket.directory, user.uid, surroundings)
            try await createContainer(member, request)
            accepted = try await startAndAccept(member, socket)
        } catch {
            throw endpoint.explain(error)
        }
        accepted.limitSockets(logger)
        guard let descriptor = accepted.take() else { throw RuntimeError(.failed, "the agent's connection is gone") }
        return MemberStream(socket: descriptor, user: user)
    }

    /// Asks for the container in a task that outlives a cancelled caller: an engine makes a container also for a client
    /// that has left, and `remove` has to know when it is decided.
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
        case ended(String)
        case nothing
    }

    /// Starts the container and waits for its agent, or for its end, whichever is first.
    private func startAndAccept(_ member: MemberID, _ socket: AgentSocket) async throws -> AcceptedSocket {
        let (watched, watching) = AsyncStream.makeStream(of: Void.self)
        return try await withThrowingTaskGroup(of: Progress.self) { group in
            group.addTask { [self] in
                defer { watching.finish() }
                return .ended(try await end(member) { watching.finish() })
            }
            group.addTask { [self] in
                // The watch has to be in force before the start, else a short life would be missed. An engine that says
                // so only at the end gets a moment.
                for await _ in watched {}
                try await engine.call(HTTPRequest(.post, containerPath(member, "/start"), timeout: .seconds(60)))
                return .started
            }
            group.addTask { .connected(try await socket.accept()) }
            group.addTask {
                try? await Task.sleep(for: .seconds(1))
                watching.finish()
                return .nothing
            }
            defer { group.cancelAll() }
            return try await Self.decide(&group)
        }
    }

    /// The start's own answer is always heard: it says best why a container ended, and newer engines give a start up
    /// whose client leaves.
    private static func decide(_ group: inout ThrowingTaskGroup<Progress, any Error>) async throws -> AcceptedSocket {
        var isStarted = false
        var accepted: AcceptedSocket?
        var ended: String?
        while let progress = try await group.next() {
            switch progress {
            case .started: isStarted = true
            case .connected(let socket): accepted = socket
            case .ended(let how): ended = how
            case .nothing: continue
            }
            guard isStarted else { continue }
            if let accepted { return accepted }
            if let ended {
                throw RuntimeError(.failed, "the container ended before its agent had connected, \(ended)")
            }
        }
        throw CancellationError()
    }

    /// Waits for the container's next end; calls `onWatching` when the engine has begun to watch.
    private func end(_ member: MemberID, onWatching: @escaping @Sendable () -> Void) async throws -> String {
        // A day: the caller cancels it.
        let request = HTTPRequest(
            .post, containerPath(member, "/wait"), query: [("condition", "next-exit")], timeout: .seconds(86_400))
        let response = try await engine.call(request) { _ in onWatching() }
        let reply: WaitReply = try Engine.decode(response.body)
        return "with code \(reply.StatusCode)\(reply.Error?.Message.map { ": \($0)" } ?? "")"
    }
}
