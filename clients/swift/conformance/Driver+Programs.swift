// SPDX-License-Identifier: Apache-2.0

import Berth

extension Driver {
    /// - Returns: false for a verb that is not known.
    func performOnProgram(_ step: inout Step) async throws -> Bool {
        switch step.verb {
        case "run": try await run(&step)
        case "start": try await start(&step)
        case "attach": try await attach(&step)
        case "read": try await read(&step)
        case "finish": try await finish(&step)
        case "text": try await text(&step)
        case "input", "signal", "cancel", "resize", "detach": try await act(&step)
        default: return false
        }
        return true
    }

    private func command(_ step: inout Step) -> Command {
        var argv = step.all("argv")
        if let count = step.number("argv_repeat"), let last = argv.popLast() {
            argv.append(repeated(last, count))
        }
        var command = Command(.systemArgv(argv.map { SystemString($0) }))
        if let line = step.text("shell") { command.program = .shell(line) }
        if let name = step.text("context"), let (context, _) = contexts[name] {
            command.program = .piece(step.text("code") ?? "", context: context)
        }
        if let code = step.text("code") { command.program = .code(code, language: step.text("language") ?? "") }
        command.systemEnv = step.all("env").map { SystemString($0) }
        command.systemCwd = step.bytes("cwd").map { SystemString($0) }
        command.uid = step.number("uid").map { UInt32($0) }
        command.stdin = repeated(step.bytes("stdin") ?? [], step.number("stdin_repeat"))
        command.timeout = step.time("timeout")
        command.grace = step.time("grace")
        command.idleTimeout = step.time("idle_timeout")
        command.cpuTime = step.time("cpu_time")
        command.resumable = step.time("resumable")
        command.maxOutput = step.number("max_output_bytes")
        if step.text("output_policy") == "kill" { command.outputPolicy = .kill }
        if step.text("unwatched") == "wait" { command.unwatched = .wait }
        command.keepsBackground = step.isSet("keep_background")
        command.mergesOutput = step.isSet("merge_output")
        command.keepsStdinOpen = step.isSet("stdin_open")
        let hidesInput = step.isSet("no_echo")
        if let size = step.text("terminal").map({ divided($0, at: "x") }) {
            var terminal = Terminal(rows: UInt32(size.0) ?? 0, columns: UInt32(size.1) ?? 0)
            terminal.hidesInput = hidesInput
            command.terminal = terminal
        }
        return command
    }

    private func run(_ step: inout Step) async throws {
        let command = command(&step)
        let deadline = step.time("deadline")
        let output: CollectedOutput
        if case .piece(_, let context) = command.program {
            output = try await client(&step).run(command, in: context.lease, deadline: deadline)
        } else if step.has("lease") {
            let (_, lease, client) = try lease(&step)
            output = try await client.run(command, in: lease, deadline: deadline)
        } else {
            output = try await client(&step).run(
                command, pool: step.text("pool"), wait: step.time("wait"), deadline: deadline)
        }
        if !output.stdout.isEmpty { say("stdout \(shown(output.stdout))") }
        if !output.stderr.isEmpty { say("stderr \(shown(output.stderr))") }
        for display in output.displays { say(words(display)) }
        if let failure = output.failure { say(words(failure)) }
        if let value = output.value { say("value \(shown(Array(value.utf8)))") }
        say("ended \(shown(output.ended))")
    }

    private func start(_ step: inout Step) async throws {
        let piece = step.name("context")
        let command = command(&step)
        let name = step.text("as") ?? ""
        let window = step.number("window") ?? BerthClient.standardWindow
        let deadline = step.time("deadline")
        let leaseName = contexts[piece]?.lease ?? step.name("lease")
        let execution: Execution
        if case .piece(_, let context) = command.program {
            execution = try client(&step).execute(command, in: context.lease, window: window, deadline: deadline)
        } else if step.has("lease") {
            let (_, lease, client) = try lease(&step)
            execution = client.execute(command, in: lease, window: window, deadline: deadline)
        } else {
            execution = try client(&step).execute(
                command, pool: step.text("pool"), wait: step.time("wait"), window: window, deadline: deadline)
        }
        _ = try await execution.id
        watched[name] = Watched(execution, lease: leaseName)
        say("started \(name)")
    }

    private func attach(_ step: inout Step) async throws {
        let name = step.text("as") ?? ""
        let (_, of) = try execution(&step)
        var beginning = BerthClient.Beginning.held
        if step.has("stdout_offset") || step.has("stderr_offset") {
            beginning = .offsets(
                stdout: UInt64(step.number("stdout_offset") ?? 0), stderr: UInt64(step.number("stderr_offset") ?? 0))
        }
        if step.isSet("from_now") { beginning = .now }
        let execution = try client(&step).attach(
            try await of.execution.id, in: leases[of.lease]?.lease, from: beginning, observes: step.isSet("observe"),
            window: step.number("window") ?? BerthClient.standardWindow)
        _ = try await execution.id
        watched[name] = Watched(execution, lease: of.lease)
        say("attached \(name)")
    }

    private func read(_ step: inout Step) async throws {
        let (name, watched) = try execution(&step)
        let count = step.number("bytes") ?? 0
        let stream: OutputStream = step.text("stream") == "stderr" ? .stderr : .stdout
        while watched.taken[stream, default: []].count < count, try await watched.take() {}
        let taken = watched.taken[stream, default: []]
        say("\(name) \(stream) \(shown(Array(taken.prefix(count))))")
        watched.taken[stream] = Array(taken.dropFirst(count))
    }

    private func finish(_ step: inout Step) async throws {
        let (name, watched) = try execution(&step)
        var failure: BerthError?
        do {
            while try await watched.take() {}
        } catch let error as BerthError {
            failure = error
        }
        for stream in [OutputStream.stdout, .stderr] {
            if let bytes = watched.taken[stream], !bytes.isEmpty { say("\(name) \(stream) \(shown(bytes))") }
        }
        for stream in [OutputStream.stdout, .stderr] {
            if let bytes = watched.dropped[stream], bytes > 0 { say("\(name) dropped \(stream)=\(bytes)") }
        }
        if let failure { say("\(name) error \(failure.code.name)") } else { try sayEnd(name, watched.ended) }
    }

    private func text(_ step: inout Step) async throws {
        let (name, watched) = try execution(&step)
        var texts: [OutputStream: String] = [:]
        let reader = watched.execution.text
        var pieces = reader.makeAsyncIterator()
        while let piece = try await pieces.next() { texts[piece.stream, default: ""] += piece.text }
        for stream in [OutputStream.stdout, .stderr] {
            if let text = texts[stream], !text.isEmpty { say("\(name) \(stream) \(shown(Array(text.utf8)))") }
        }
        try sayEnd(name, pieces.ended)
    }

    private func sayEnd(_ name: String, _ ended: Ended?) throws {
        guard let ended else { throw Failed(description: "\(name) has no end") }
        say("\(name) ended \(shown(ended))")
    }

    private func act(_ step: inout Step) async throws {
        let (name, watched) = try execution(&step)
        let execution = watched.execution
        switch step.verb {
        case "input":
            let data = repeated(step.bytes("data") ?? [], step.number("repeat"))
            if step.isSet("end") {
                try await execution.closeInput(after: data)
            } else {
                try await execution.write(data)
            }
        case "signal":
            let signal = step.text("signal") ?? ""
            try await execution.signal(Int32(signal).map { ProgramSignal($0) } ?? ProgramSignal(signal))
        case "cancel": try await execution.cancel()
        case "resize":
            try await execution.resize(rows: step.number("rows") ?? 0, columns: step.number("columns") ?? 0)
        default: try await execution.detach()
        }
        say("\(step.verb) \(name)")
    }
}
