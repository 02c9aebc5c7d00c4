// SPDX-License-Identifier: Apache-2.0

internal import AgentSchema
internal import BerthSchema
internal import CAgent
internal import Glibc

/// Zygotes: how they are started while the container is being warmed.
extension AgentServer {
    /// How long the files may take to be removed that interpreters have left while they started.
    private static let cleaning: UInt64 = 2_000_000_000

    func warm(_ request: Agent.WarmRequest, _ streamID: UInt32) throws(CallError) {
        guard request.argv.first?.isEmpty == false, request.cwd.hasPrefix("/"), request.timeoutMilliseconds > 0 else {
            throw CallError(.invalidArgument, "argv is empty, cwd is not absolute, or timeout_ms is 0")
        }
        guard isInit else { throw CallError(.failedPrecondition, "the agent is not process 1, which zygotes need") }
        guard !hasExecuted else { throw CallError(.failedPrecondition, "a program has run: it is too late") }
        guard !zygotes.contains(where: { $0.language == request.language }) else {
            throw CallError(.invalidArgument, "there is a zygote of language \(request.language)")
        }
        do throws(ZygoteFailure) {
            let zygote = try Zygote.start(request, streamID, now: monotonicNow())
            zygotes.append(zygote)
            do throws(SystemError) {
                let both = EPOLL_EVENTS(rawValue: EPOLLIN.rawValue | EPOLLOUT.rawValue)
                try epoll.add(
                    zygote.raw, both, token: Token.zygotes + UInt64(UInt32(bitPattern: zygote.pid)))
            } catch {
                return fail(zygote, streamID, error.words)
            }
            zygoteChanged(zygote)
        } catch {
            respond(streamID, Agent.WarmResponse(failure: error.words))
        }
    }

    /// - Parameter token: the token of the event minus `Token.zygotes`.
    func zygoteChanged(_ token: UInt64) {
        guard let zygote = zygotes.first(where: { UInt64(UInt32(bitPattern: $0.pid)) == token }) else { return }
        zygoteChanged(zygote)
    }

    private func zygoteChanged(_ zygote: Zygote) {
        guard case .warming(let streamID, _) = zygote.state else { return }
        do throws(ZygoteFailure) {
            guard let version = try zygote.warm() else { return }
            try removeLeftovers()
            zygote.state = .ready
            zygote.spare = zygote.fork()
            let took = (monotonicNow() - zygote.start) / 1000
            respond(streamID, Agent.WarmResponse(version: version, tookMicroseconds: took))
        } catch {
            fail(zygote, streamID, error.words)
        }
    }

    private func fail(_ zygote: Zygote, _ streamID: UInt32, _ words: String) {
        zygote.end()
        respond(streamID, Agent.WarmResponse(failure: words.clipped(toUTF8: Zygote.maxFailure)))
    }

    /// Removes files that were written while an interpreter started: the first program is not to see them.
    private func removeLeftovers() throws(ZygoteFailure) {
        guard case .success(let baseline) = baseline else { return }
        do throws(Unprovable) {
            try baseline.emptyPlaces(deadline: monotonicNow() + AgentServer.cleaning)
        } catch {
            throw ZygoteFailure("what it wrote could not be removed: \(error.words)")
        }
    }

    /// When the first of the interpreters must be ready.
    var warmingDeadline: UInt64? {
        guard !zygotes.isEmpty else { return nil }
        return zygotes.lazy.compactMap { if case .warming(_, let due) = $0.state { due } else { nil } }.min()
    }

    func passTimeOfZygotes() {
        guard let due = warmingDeadline, due <= monotonicNow() else { return }
        for zygote in zygotes {
            guard case .warming(let streamID, let due) = zygote.state, due <= monotonicNow() else { continue }
            fail(zygote, streamID, "it was not ready in time")
        }
    }

    // MARK: Their processes

    /// Must be called for each child that was reaped.
    /// - Returns: whether it was a zygote, or a process that one had forked and that had become nothing.
    func zygoteHasEnded(_ pid: pid_t) -> Bool {
        for zygote in zygotes {
            if zygote.pid == pid {
                if case .warming(let streamID, _) = zygote.state {
                    // Its last words are still in its socket.
                    do throws(ZygoteFailure) {
                        _ = try zygote.warm()
                        fail(zygote, streamID, "the interpreter ended before it was ready")
                    } catch {
                        fail(zygote, streamID, error.words)
                    }
                }
                zygote.state = .ended
                zygote.spare = nil
                zygotes.removeAll { $0 === zygote }
                return true
            }
            if zygote.spare?.pid == pid {
                zygote.spare = nil
                return true
            }
        }
        return executions.contains { $0?.birth?.newborn.pid == pid }
    }

    /// Reads the numbers of processes that were forked.
    func lookAtNewborns() {
        guard !zygotes.isEmpty else { return }
        for zygote in zygotes { zygote.spare?.look() }
        for (place, execution) in executions.enumerated() {
            if let execution, execution.birth != nil { newbornChanged(execution, at: place) }
        }
    }

    func spareZygotes(_ strays: inout Strays) {
        guard !zygotes.isEmpty else { return }
        for zygote in zygotes {
            strays.spared.append(zygote.pid)
            zygote.spare?.look()
            if let pid = zygote.spare?.pid, pid > 1 { strays.spared.append(pid) }
        }
        for execution in executions {
            guard let birth = execution?.birth else { continue }
            birth.newborn.look()
            if birth.newborn.pid > 1 { strays.spared.append(birth.newborn.pid) }
        }
    }

    /// Whether the agent is the only process in the container, but for zygotes and what waits beside them.
    var isAlone: Bool {
        guard isInit else { return false }
        guard !zygotes.isEmpty else { return berth_has_children() == 0 }
        return supervisors.isEmpty && !hasStrays
            && !executions.contains { $0.map { $0.direct != nil || $0.birth != nil } ?? false }
    }

    /// Has a process forked for the next program, after one was used.
    func replaceSpares() {
        guard wantsSpares else { return }
        wantsSpares = false
        for zygote in zygotes where zygote.spare == nil && zygote.isReady { zygote.spare = zygote.fork() }
    }
}
