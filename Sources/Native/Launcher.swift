// SPDX-License-Identifier: Apache-2.0

internal import CHost
internal import CLauncher
internal import Glibc
internal import Housekeeping
internal import Pool
internal import Synchronization

/// A launcher: a process that makes the members of one template. It ends with this object, or with this server.
final class Launcher: Sendable {
    /// A member as its launcher has made it.
    struct Made {
        var pid: Int32
        /// Refers to the member's first process, with whose end everything in it ends. The caller closes it.
        var pidfd: Int32
    }

    /// What went wrong with a request.
    enum Fault: Error {
        /// The launcher had ended before it could take the request.
        case notTaken
        case failed(RuntimeError)
    }

    private struct State {
        var number: UInt64 = 0
        var isBusy = false
        var isAnswerDue = false
        var isUsable = true
        var isEnded = false

        /// Whether a request may begin.
        mutating func begin() -> Bool {
            if isBusy { return false }
            isBusy = true
            return true
        }

        /// Whether it is to be ended now, and not before.
        mutating func finish() -> Bool {
            defer { (isEnded, isUsable) = (true, false) }
            return !isEnded
        }
    }

    /// How long a launcher may take to tell that a cancelled member is made: without that, a removal could come first.
    private static let patience: Int32 = 500

    let pid: Int32
    private let socket: Int32
    private let errors: Int32
    private let state = Mutex(State())

    var isUsable: Bool { state.withLock { $0.isUsable } }
    var isBusy: Bool { state.withLock { $0.isBusy } }
    /// Whether it was sent a request that it has not answered.
    var isAnswerDue: Bool { state.withLock { $0.isAnswerDue } }

    /// Starts a launcher and has it make its tree.
    /// - Parameter instance: is on its command line, so that people see whose it is.
    init(
        path: String, instance: String, setup: LauncherSetup, _ cancellation: Cancellation
    ) throws(RuntimeError) {
        guard setup.message.bytes.count <= LauncherMessage.limit else {
            throw RuntimeError(
                .invalidConfiguration, "the image has too many entries at its top level or variables for a launcher")
        }
        let errors = berth_bounded_file(4096)
        guard errors >= 0 else { throw systemFailure("memfd_create", -errors) }
        var ends: [Int32] = [-1, -1]
        let made = berth_launcher_sockets(&ends)
        guard made == 0 else {
            close(errors)
            throw systemFailure("socketpair", -made)
        }
        defer { close(ends[1]) }
        do throws(RuntimeError) {
            pid = try Subprocess.spawn(
                [path, "--instance", instance], stdin: -1, stdout: -1, stderr: errors, keep: ends[1])
        } catch {
            close(ends[0])
            close(errors)
            throw error
        }
        (socket, self.errors) = (ends[0], errors)
        do throws(Fault) {
            let (answer, _) = try exchange(setup.message, -1, -1, cancellation)
            guard answer.kind == BERTH_LAUNCHER_READY.rawValue else { throw .failed(Self.failure(answer)) }
        } catch {
            end()
            throw Self.error(error)
        }
    }

    /// Makes a member.
    /// - Parameters:
    ///   - files: content of the files that the set-up named, in its order.
    ///   - stream: becomes the agent's standard input and output.
    ///   - errors: becomes its standard error.
    func create(
        _ member: MemberID, user: UInt32, files: [[UInt8]], stream: Int32, errors: Int32, _ cancellation: Cancellation
    ) throws(Fault) -> Made {
        let number = state.withLock { state in
            state.number += 1
            return state.number
        }
        var request = LauncherMessage(BERTH_LAUNCHER_CREATE, number: number)
        request.add(BERTH_ITEM_NAME, Array(member.description.utf8))
        request.add(BERTH_ITEM_USER, user)
        for file in files { request.add(BERTH_ITEM_FILE, file) }
        guard request.bytes.count <= LauncherMessage.limit else {
            throw .failed(
                RuntimeError(
                    .invalidConfiguration, "the image's /etc/passwd and /etc/group are too long for a launcher"))
        }
        let (answer, pidfd) = try exchange(request, stream, errors, cancellation)
        guard answer.kind == BERTH_LAUNCHER_CREATED.rawValue, let pid = answer.number(BERTH_ITEM_PID), pidfd >= 0 else {
            if pidfd >= 0 { close(pidfd) }
            throw .failed(Self.failure(answer))
        }
        return Made(pid: Int32(pid), pidfd: pidfd)
    }

    // MARK: Messages

    /// Sends a request and waits for its answer. Requests come one after another: the pool makes one member at a time.
    private func exchange(
        _ request: LauncherMessage, _ first: Int32, _ second: Int32, _ cancellation: Cancellation
    ) throws(Fault) -> (LauncherMessage, pidfd: Int32) {
        while !state.withLock({ $0.begin() }) {
            if cancellation.wait(milliseconds: 1) { throw .failed(RuntimeError(.failed, "the create was cancelled")) }
        }
        defer { state.withLock { ($0.isBusy, $0.isAnswerDue) = (false, false) } }
        guard isUsable else { throw .notTaken }
        let sent = berth_launcher_send(socket, request.bytes, request.bytes.count, first, second)
        guard sent == 0 else {
            giveUp()
            if sent == -EPIPE || sent == -ECONNRESET { throw .notTaken }
            throw .failed(systemFailure("send to the launcher", -sent))
        }
        state.withLock { $0.isAnswerDue = true }
        var ends = [
            pollfd(fd: socket, events: Int16(POLLIN), revents: 0),
            pollfd(fd: cancellation.descriptor, events: Int16(POLLIN), revents: 0),
        ]
        while poll(&ends, 2, -1) < 0 && errno == EINTR {}
        if ends[0].revents != 0 { return try receive(request.number) }
        // A member that is made after its removal would stay: so the launcher is heard, or ended with what it is making.
        if poll(&ends, 1, Self.patience) > 0 {
            let late = try receive(request.number).pidfd
            if late >= 0 {
                _ = berth_pidfd_kill(late)
                close(late)
            }
        } else {
            giveUp()
        }
        throw .failed(RuntimeError(.failed, "the create was cancelled"))
    }

    private func receive(_ number: UInt64) throws(Fault) -> (LauncherMessage, pidfd: Int32) {
        var bytes = [UInt8](repeating: 0, count: 1024)
        var descriptors: [Int32] = [-1, -1]
        let count = berth_launcher_receive(socket, &bytes, bytes.count, &descriptors)
        guard count > 0, let message = LauncherMessage(received: Array(bytes[..<Int(count)])),
            message.number == number
        else {
            for descriptor in descriptors where descriptor >= 0 { close(descriptor) }
            giveUp()
            let said = Subprocess.tail(of: errors)
            throw .failed(
                RuntimeError(.failed, "the launcher ended while it made a member" + (said.isEmpty ? "" : ": \(said)")))
        }
        if descriptors[1] >= 0 { close(descriptors[1]) }
        return (message, descriptors[0])
    }

    /// What it is making ends with it.
    private func giveUp() {
        state.withLock { $0.isUsable = false }
        kill(pid, SIGKILL)
    }

    private static func failure(_ answer: LauncherMessage) -> RuntimeError {
        let step = answer.text(BERTH_ITEM_STEP_NAME) ?? "say what it did"
        let code = Int32(answer.number(BERTH_ITEM_ERROR) ?? 0)
        guard code != 0 else {
            return RuntimeError(.outOfMemory, "the container was killed while it was made: \(step)")
        }
        let isMemory = code == ENOMEM || code == ENOSPC
        return RuntimeError(isMemory ? .outOfMemory : .failed, "can't \(step): \(String(cString: strerror(code)))")
    }

    static func error(_ fault: Fault) -> RuntimeError {
        switch fault {
        case .notTaken: RuntimeError(.failed, "the launcher has ended")
        case .failed(let error): error
        }
    }

    /// Ends it and waits for that.
    func end() {
        guard state.withLock({ $0.finish() }) else { return }
        close(socket)
        var status: Int32 = 0
        for _ in 0..<400 {
            if waitpid(pid, &status, WNOHANG) != 0 { return }
            usleep(500)
        }
        kill(pid, SIGKILL)
        waitpid(pid, &status, 0)
    }

    deinit {
        end()
        close(errors)
    }
}
