internal import AgentSchema
internal import CLinux
internal import Glibc
internal import Schema

/// The command line of berth-agent.
public enum AgentCommand {
    public static let version = "0.1.0"
    private static let usage = "usage: berth-agent --stdio | --connect PATH | --version"

    /// Runs the agent until its stream ends.
    /// - Parameter arguments: with the program's own name first.
    /// - Returns: the exit code: 0 when the stream has ended, 1 when it could not be opened, 2 for a wrong command line.
    public static func run(_ arguments: [String]) -> Int32 {
        let options = arguments.dropFirst()
        do throws(SystemError) {
            switch (options.first, options.count) {
            case (FileOperation.flag, _):
                return FileTool.run(FileTool.ownArguments)
            case ("--version", 1):
                print("berth-agent \(version)")
                return 0
            case ("--stdio", 1):
                return try serve(
                    input: .copy(of: STDIN_FILENO, minimum: 64), output: .copy(of: STDOUT_FILENO, minimum: 64))
            case ("--connect", 2):
                let socket = try connect(to: arguments[2])
                return try serve(
                    input: .copy(of: socket.raw, minimum: 64), output: .copy(of: socket.raw, minimum: 64))
            default:
                complain(usage)
                return 2
            }
        } catch {
            complain("berth-agent: \(error.words)")
            return 1
        }
    }

    private static func serve(
        input: consuming Descriptor, output: consuming Descriptor
    ) throws(SystemError) -> Int32 {
        _ = berth_become_undumpable()
        _ = berth_become_subreaper()
        try occupyStandardDescriptors()
        let server = try AgentServer(input: input, output: output, signals: AgentServer.takeSignals())
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

    private static func complain(_ line: String) {
        let text = Array("\(line)\n".utf8)
        _ = write(STDERR_FILENO, text, text.count)
    }
}
