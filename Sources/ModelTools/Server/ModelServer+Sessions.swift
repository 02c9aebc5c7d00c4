// SPDX-License-Identifier: Apache-2.0

import Berth
import BerthSchema
import Synchronization

extension ModelServer {
    /// How often sessions are looked after, at least; it is also how soon a container that died is noticed.
    private static let interval = Duration.seconds(30)
    /// How long giving containers back may take at the end.
    private static let releaseTime = Duration.seconds(2)

    // MARK: Start and end

    func startSession(_ language: String, _ call: Call) async throws -> ToolResult {
        guard state.withLock({ $0.sessions.reserve() }) else {
            return .failure(
                "\(settings.maxSessions) sessions are open, the maximum. Call end_session for one that is not needed any "
                    + "more; one ends by itself after \(settings.idleWords) without a call")
        }
        let context: Context
        do {
            let lease = try await client.acquire(pool: settings.pool)
            do {
                context = try await client.openContext(language, in: lease)
            } catch {
                await release(lease)
                throw error
            }
        } catch {
            state.withLock { $0.sessions.giveUp() }
            throw error
        }
        let session = Session(id: Session.newID(), context: context)
        let isKept = state.withLock { state in
            // Nobody would ever know of it.
            guard !call.isCancelled, !state.isEnding else {
                state.sessions.giveUp()
                return false
            }
            state.sessions.open(session.id, session, .now)
            if state.housekeeping == nil {
                state.housekeeping = Task { [self] in await keepHouse(context.lease.time) }
            }
            return true
        }
        guard isKept else {
            await release(context.lease)
            return .failure("cancelled")
        }
        var structured = JSONObject([("session", .string(session.id)), ("language", .string(language))])
        if !context.version.isEmpty { structured["version"] = .string(context.version) }
        structured["idle_seconds"] = .number(settings.sessionIdleTime.secondsText)
        let version = context.version.isEmpty ? "" : " \(context.version)"
        return ToolResult(
            [
                .text(
                    "session \(session.id): \(language)\(version), files in /workspace. It ends after "
                        + "\(settings.idleWords) without a call, or with end_session.")
            ], structured: structured)
    }

    /// Ends a session, and gives its container back.
    func end(_ session: Session, _ reason: String) async {
        guard state.withLock({ $0.sessions.end(session.id, reason) }) != nil else { return }
        await release(session.lease)
    }

    static func ended(_ id: String, hadEnded reason: String?) -> ToolResult {
        ToolResult(
            [.text(reason.map { "session \(id) had ended already: \($0)" } ?? "session \(id) has ended")],
            structured: JSONObject([("session", .string(id)), ("had_ended", .bool(reason != nil))]))
    }

    /// In a task of its own, so that it is done even if the call is cancelled.
    private func release(_ lease: Lease) async {
        await Task { [client] in try? await client.release(lease) }.value
    }

    // MARK: What becomes of a session

    /// Ends a session whose container died while a program ran in it.
    func settle(_ report: ProgramReport, _ session: Session) {
        guard let ended = report.ended, ended.cause == .containerLost || ended.cause == .draining else { return }
        lose(session, ended.message.isEmpty ? "its container is gone" : ended.message)
    }

    private func lose(_ session: Session, _ reason: String) {
        guard state.withLock({ $0.sessions.end(session.id, reason) }) != nil else { return }
        log("session \(session.id) is lost: \(reason)")
        Task { [self] in await release(session.lease) }
    }

    /// The words for a call that failed, and what it says about the session.
    func failure(_ error: BerthError, _ session: Session?) -> ToolResult {
        guard let session else { return .failure(words(error)) }
        if error.reason == .noSuchLease {
            lose(session, "its container is gone: it died, or was removed, or the Berth server was restarted")
        } else if error.code == .unavailable, !client.isConnected {
            // Its lease ended with the connection.
            lose(session, "the connection to the Berth server was lost")
        } else if error.code == .unavailable {
            lose(session, error.message)
        }
        guard let reason = state.withLock({ $0.sessions.reason(session.id) }) else { return .failure(words(error)) }
        return .failure("the session \(session.id) has ended: \(reason). Call start_session for a new one")
    }

    private func words(_ error: BerthError) -> String {
        switch (error.code, error.reason) {
        case (.unavailable, nil):
            "\(error.message). Without a Berth server nothing can be run: ask the user to start one with `berth serve`"
        case (_, .noSuchPool?):
            "\(error.message). The pool is set by --pool in the configuration of this tool server: tell the user"
        case (_, .noSuchFile?): "\(error.message). list_files shows what there is"
        case (.resourceExhausted, _), (.deadlineExceeded, _): "\(error.message). Try again in a moment"
        default: error.message
        }
    }

    // MARK: Housekeeping

    /// Ends idle sessions and keeps the leases of the others, as long as there are any.
    private func keepHouse(_ leaseTime: Duration) async {
        let interval = max(.milliseconds(50), min(Self.interval, settings.sessionIdleTime / 4, leaseTime / 3))
        while true {
            try? await Task.sleep(for: interval)
            let reason = "it had no call for \(settings.idleWords)"
            let (idle, others) = state.withLock { state in
                let idle = state.sessions.expire(.now, reason)
                if state.sessions.isEmpty || state.isEnding { state.housekeeping = nil }
                return (idle, state.sessions.handles)
            }
            for (id, session) in idle {
                log("session \(id) has ended: \(reason)")
                Task { [self] in await release(session.lease) }
            }
            guard !others.isEmpty, !Task.isCancelled else { return }
            for (_, session) in others {
                do throws(BerthError) {
                    try await client.renew(session.lease)
                } catch {
                    _ = failure(error, session)
                }
            }
        }
    }

    /// Ends all calls and sessions, and the connection.
    package func end() async {
        let (calls, sessions) = state.withLock { state in
            state.isEnding = true
            state.housekeeping?.cancel()
            let sessions = state.sessions.handles
            for (id, _) in sessions { _ = state.sessions.end(id, "the server has ended") }
            return (Array(state.calls.values), sessions)
        }
        for call in calls { call.cancel() }
        // A server that does not answer ends them when the connection closes.
        let (steps, step) = AsyncStream.makeStream(of: Void.self)
        Task {
            try? await Task.sleep(for: Self.releaseTime)
            step.yield()
        }
        Task { [client] in
            await withTaskGroup { group in
                for (_, session) in sessions { group.addTask { try? await client.release(session.lease) } }
                for call in calls { group.addTask { await call.end() } }
            }
            step.yield()
        }
        for await _ in steps { break }
        client.close()
    }
}
