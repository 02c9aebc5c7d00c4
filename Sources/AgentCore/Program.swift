// SPDX-License-Identifier: Apache-2.0

internal import AgentSchema
internal import BerthSchema
internal import CAgent
internal import Glibc

/// What to start, as asked.
struct Program {
    /// Where a program without a slash is looked for when the environment has no PATH.
    static let standardPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

    let arguments: [SystemString]
    let environment: [SystemString]
    let directory: SystemString
    let uid: UInt32
    let gid: UInt32
    let hasTerminal: Bool
    let keepsBackground: Bool
    let mergesOutput: Bool

    init(_ request: Agent.ExecuteRequest) {
        arguments = request.argv
        environment = request.env
        directory = request.cwd
        uid = request.uid
        gid = request.gid
        hasTerminal = request.terminal != nil
        keepsBackground = request.keepsBackground
        mergesOutput = request.mergesOutput
    }

    /// For words about it.
    private var name: String { arguments.first?.description ?? "" }

    private var isPath: Bool { arguments.first?.contains(UInt8(ascii: "/")) ?? false }

    /// The files to try, in turn.
    var paths: [SystemString] {
        guard let name = arguments.first, !isPath else { return arguments.first.map { [$0] } ?? [] }
        let variable = environment.first { $0.hasPrefix("PATH=") } ?? "PATH=\(Program.standardPath)"
        // An empty entry is the working directory, as in every shell.
        if let name = name.text, let path = variable.text?.dropFirst(5) {
            return path.split(separator: ":", omittingEmptySubsequences: false).map { directory in
                directory.isEmpty ? "./\(name)" : "\(directory)/\(name)"
            }
        }
        let directories = variable.bytes.dropFirst(5).split(
            separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
        return directories.map { directory in
            var path: [UInt8] = directory.isEmpty ? [UInt8(ascii: ".")] : Array(directory)
            path.append(UInt8(ascii: "/"))
            path += name.bytes
            return SystemString(path)
        }
    }

    /// Why the program did not start, in words that name what is wrong.
    func failure(stage: Int32, error: Int32) -> (StartFailure, String) {
        let reason = String(cString: strerror(error))
        let isShortage = error == EAGAIN || error == ENOMEM || error == EMFILE || error == ENFILE
        switch UInt32(bitPattern: stage) {
        case _ where isShortage:
            return (.noResources, "cannot start \(name): \(reason)")
        case BERTH_STAGE_IDENTITY.rawValue:
            return (.unspecified, "cannot run \(name) as user \(uid), group \(gid): \(reason)")
        case BERTH_STAGE_DIRECTORY.rawValue:
            return (.badWorkingDirectory, "working directory \(directory): \(reason)")
        case BERTH_STAGE_INTERPRETER.rawValue:
            return (.programNotExecutable, "\(name): the interpreter or loader it names is missing")
        case BERTH_STAGE_EXEC.rawValue where error == ENOENT || error == ENOTDIR:
            return (.programNotFound, isPath ? "\(name): no such file" : "\(name): not found in PATH")
        case BERTH_STAGE_EXEC.rawValue:
            return (.programNotExecutable, "\(name): \(reason)")
        default:
            return (.noResources, "cannot start \(name): \(reason)")
        }
    }

    /// Runs `body` with the program as C wants it.
    func withC<R>(oomScore: String?, _ body: (inout berth_program) -> R) -> R {
        withStrings(paths) { paths in
            withStrings(arguments) { arguments in
                withStrings(environment) { environment in
                    withStrings([directory, SystemString(oomScore ?? "")]) { texts in
                        var program = berth_program()
                        program.paths = paths
                        program.arguments = arguments
                        program.environment = environment
                        program.directory = texts[0]
                        program.oom_score_adj = oomScore == nil ? nil : texts[1]
                        program.uid = uid
                        program.gid = gid
                        program.has_terminal = hasTerminal ? 1 : 0
                        return body(&program)
                    }
                }
            }
        }
    }
}

/// The strings as C's NULL-terminated list, valid within `body`.
private func withStrings<R>(
    _ strings: [SystemString], _ body: (UnsafePointer<UnsafePointer<CChar>?>) -> R
) -> R {
    // One block for all texts: a request may hold many thousands.
    let size = strings.reduce(0) { $0 + $1.count + 1 }
    let texts = UnsafeMutablePointer<CChar>.allocate(capacity: max(size, 1))
    let list = UnsafeMutablePointer<UnsafePointer<CChar>?>.allocate(capacity: strings.count + 1)
    defer {
        texts.deallocate()
        list.deallocate()
    }
    var next = texts
    for (index, string) in strings.enumerated() {
        list[index] = UnsafePointer(next)
        string.withBytes { bytes in
            UnsafeMutableRawBufferPointer(start: next, count: bytes.count).copyMemory(
                from: UnsafeRawBufferPointer(bytes))
        }
        next += string.count
        next.pointee = 0
        next += 1
    }
    list[strings.count] = nil
    return body(list)
}
