// SPDX-License-Identifier: Apache-2.0

internal import AgentSchema
internal import BerthSchema
internal import CAgent
internal import CLinux
internal import Glibc

/// The command line of berth-agent.
package enum AgentCommand {
    package static let version = "0.1.0"
    private static let usage = """
        usage: berth-agent --stdio | --connect PATH | --listen PORT --proof HASH | --install PATH | --version \
        [--open DIRECTORY]… [--close FILE]… [--limit NAME=VALUE]… [--filter FILE] \
        [--unset PREFIX]…
        """

    /// Runs the agent until its stream ends.
    /// - Parameter arguments: with the program's own name first.
    /// - Returns: the exit code: 0 when the stream has ended, 1 when it could not be opened, 2 for a wrong command line.
    package static func run(_ arguments: [String]) -> Int32 {
        var options = Array(arguments.dropFirst())
        if options.first == FileOperation.flag { return FileTool.run(FileTool.ownArguments) }
        openPlaces(&options)
        closeFiles(&options)
        unsetVariables(&options)
        do throws(SystemError) {
            try limitPrograms(&options)
            try takeFilter(&options)
            switch (options.first, options.count) {
            case ("--version", 1):
                print("berth-agent \(version)")
                return 0
            case ("--stdio", 1):
                return try serve(
                    input: .copy(of: STDIN_FILENO, minimum: 64), output: .copy(of: STDOUT_FILENO, minimum: 64))
            case ("--connect", 2):
                let socket = try connect(to: options[1])
                return try serve(
                    input: .copy(of: socket.raw, minimum: 64), output: .copy(of: socket.raw, minimum: 64))
            case ("--listen", 4):
                guard let port = UInt16(options[1]), options[2] == "--proof" else { break }
                let socket = try DialledSocket.wait(port: port, proof: options[3], within: DialledSocket.patience)
                return try serve(
                    input: .copy(of: socket.raw, minimum: 64), output: .copy(of: socket.raw, minimum: 64),
                    endsOnSignal: false)
            case ("--install", 2):
                try installItself(at: options[1])
                return 0
            default: break
            }
            complain(usage)
            return 2
        } catch {
            complain("berth-agent: \(error.words)")
            return 1
        }
    }

    /// Takes `--open DIRECTORY` out of the options: a tmpfs that programs are to write to, and that the engine could not
    /// be asked to give them, or whose mode it takes from the image's directory of that name (runc 1.1 does). The agent
    /// owns it, so it may change the mode. A directory of something else is left alone.
    private static func openPlaces(_ options: inout [String]) {
        while let at = options.firstIndex(of: "--open"), at + 1 < options.count {
            let path = options[at + 1]
            options.removeSubrange(at...at + 1)
            let directory = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
            guard directory >= 0 else { continue }
            defer { close(directory) }
            var status = stat()
            guard berth_is_on_tmpfs(directory) != 0, fstat(directory, &status) == 0, status.st_mode & 0o7777 != 0o1777
            else { continue }
            if fchmod(directory, 0o1777) != 0 {
                complain("berth-agent: \(path) can't be opened to programs: \(String(cString: strerror(errno)))")
            }
        }
    }

    /// - Parameter endsOnSignal: whether TERM and INT end the agent. Where an orchestrator sends TERM to announce an end that
    ///   comes later, what runs goes on until then: the server has heard of it too.
    private static func serve(
        input: consuming Descriptor, output: consuming Descriptor, endsOnSignal: Bool = true
    ) throws(SystemError) -> Int32 {
        _ = berth_become_undumpable()
        _ = berth_become_subreaper()
        berth_look_at_ids()
        try occupyStandardDescriptors()
        let server = try AgentServer(
            input: input, output: output, signals: AgentServer.takeSignals(endsOnSignal: endsOnSignal))
        return server.run()
    }

    /// Nothing that is opened later may become 0, 1 or 2, and nothing may be written to the stream by accident. Standard
    /// error stays, where there is one, for last words.
    private static func occupyStandardDescriptors() throws(SystemError) {
        let null = open("/dev/null", O_RDWR | O_CLOEXEC)
        guard null >= 0 else { throw SystemError("open /dev/null") }
        let isErrorOpen = null != STDERR_FILENO && fcntl(STDERR_FILENO, F_GETFD) >= 0
        let high = try Descriptor.copy(of: null, minimum: 64)
        for standard in [STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO] where standard != STDERR_FILENO || !isErrorOpen {
            guard dup2(high.raw, standard) >= 0 else { throw SystemError("dup2") }
        }
        if null > STDERR_FILENO { close(null) }
    }

    private static func connect(to path: String) throws(SystemError) -> Descriptor {
        let socket = try Descriptor(
            Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0), of: "socket")
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let fits = withUnsafeMutableBytes(of: &address.sun_path) { buffer in
            // The last byte stays 0.
            guard path.utf8.count < buffer.count else { return false }
            buffer.copyBytes(from: path.utf8)
            return true
        }
        guard fits else {
            errno = ENAMETOOLONG
            throw SystemError("connect")
        }
        let result = withUnsafePointer(to: address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(socket.raw, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard result == 0 else { throw SystemError("connect") }
        return socket
    }

    static func complain(_ line: String) {
        let text = Array("\(line)\n".utf8)
        _ = write(STDERR_FILENO, text, text.count)
    }
}
