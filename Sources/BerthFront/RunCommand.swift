// SPDX-License-Identifier: Apache-2.0

import BerthSchema
import Console

/// The part of `berth run` that this program does itself: programs without a terminal, without JSON, and that end with
/// their connection.
struct RunCommand {
    private static let flags = Flags.Table(
        values: [
            "--server", "--pool", "--lease", "--lease-file", "--wait", "--env", "--cwd", "--shell", "--code",
            "--language", "--timeout", "--grace", "--idle-timeout", "--cpu-time", "--max-output",
        ],
        repeated: ["--env"],
        switches: ["--interactive", "--merge", "--keep-background"],
        short: ["-e": "--env", "-i": "--interactive"])

    private let address: NumericAddress
    private let request: ExecuteRequest

    /// - Parameter arguments: the arguments after `run`.
    init?(_ arguments: ArraySlice<String>) {
        guard let flags = Flags(arguments, RunCommand.flags), let address = NumericAddress(flags.value("--server")),
            let request = RunCommand.request(flags)
        else { return nil }
        self.address = address
        self.request = request
    }

    /// The exit code; nil when there is no connection, and nothing was done.
    func run() -> Int32? {
        guard let connection = Connection(to: address) else { return nil }
        var run = RunLoop(connection, request)
        return run.run()
    }

    // MARK: The request

    private static func request(_ flags: Flags) -> ExecuteRequest? {
        var request = ExecuteRequest(windowBytes: UInt64(RunLoop.window))
        guard setProgram(flags, &request), setPlace(flags, &request), setEnvironment(flags.all("--env"), &request),
            setTimes(flags, &request)
        else { return nil }
        if let cwd = flags.value("--cwd") { request.cwd = cwd.argumentString }
        if let text = flags.value("--max-output") {
            guard let limit = OutputLimit(text) else { return nil }
            (request.maxOutputBytes, request.outputPolicy) = (UInt64(limit.bytes), limit.policy)
        }
        request.keepsStdinOpen = flags.has("--interactive")
        request.mergesOutput = flags.has("--merge")
        return request
    }

    private static func setProgram(_ flags: Flags, _ request: inout ExecuteRequest) -> Bool {
        let (shell, code, language) = (flags.value("--shell"), flags.value("--code"), flags.value("--language"))
        switch (flags.words.isEmpty, shell, code, language) {
        case (false, nil, nil, nil):
            request.argv = flags.words.map(\.argumentString)
        case (true, let shell?, nil, nil):
            guard let line = shell.argumentString.text else { return false }
            request.shell = line
        case (true, nil, let code?, let language?):
            guard let text = code.argumentString.text else { return false }
            (request.code, request.language) = (text, language)
        default: return false
        }
        return true
    }

    /// Sets the lease, or the pool of a new container.
    private static func setPlace(_ flags: Flags, _ request: inout ExecuteRequest) -> Bool {
        guard let wait = flags.milliseconds("--wait") else { return false }
        let choosesContainer = flags.has("--pool") || flags.has("--wait")
        if flags.has("--lease") || flags.has("--lease-file") {
            guard !choosesContainer, let lease = LeaseFlags.lease(flags) else { return false }
            request.lease = lease
        } else if !choosesContainer {
            // With --pool or --wait, BERTH_LEASE is ignored: the user wants a new container.
            request.lease = LeaseFlags.lease(flags) ?? ""
        }
        request.keepsBackground = flags.has("--keep-background")
        guard !request.keepsBackground || !request.lease.isEmpty else { return false }
        request.pool = flags.value("--pool") ?? ""
        request.waitMilliseconds = wait
        return true
    }

    /// The whole program handles values that are not UTF-8.
    private static func setEnvironment(_ entries: [String], _ request: inout ExecuteRequest) -> Bool {
        for entry in entries {
            guard let separator = entry.firstIndex(of: "="), separator != entry.startIndex,
                entry.argumentString.text != nil
            else { return false }
            request.env[String(entry[..<separator])] = String(entry[entry.index(after: separator)...])
        }
        return true
    }

    private static func setTimes(_ flags: Flags, _ request: inout ExecuteRequest) -> Bool {
        guard let timeout = flags.milliseconds("--timeout"), let grace = flags.milliseconds("--grace"),
            let idle = flags.milliseconds("--idle-timeout"), let cpu = flags.milliseconds("--cpu-time")
        else { return false }
        (request.timeoutMilliseconds, request.graceMilliseconds) = (timeout, grace)
        (request.idleTimeoutMilliseconds, request.cpuTimeMilliseconds) = (idle, cpu)
        return true
    }
}
