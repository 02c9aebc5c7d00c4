// SPDX-License-Identifier: Apache-2.0

internal import BerthSchema

/// A language of contexts: how its interpreter is started, and the code that makes it run pieces.
enum Language: String, CaseIterable {
    case python
    case bash
    case sh
    case node

    /// Runs the first bytes on control, up to a NUL: the code in `Interpreters`.
    private static let pythonStart = """
        def start(read=__import__("os").read, main=__import__("sys").modules["__main__"].__dict__):
            import builtins
            source = b""
            while source[-1:] != b"\\0":
                source += read(3, 65536)
            first, later = source[:-1].decode().split("\\n#: later\\n", 1)
            module = type(builtins)("berth_context")
            module.__builtins__ = dict(builtins.__dict__)
            module.LATER = "\\n" * (first.count("\\n") + 2) + later
            del main["start"]
            exec(compile(first, "<berth>", "exec"), module.__dict__)
            return module.serve
        start()()
        """

    private static let nodeStart = """
        (() => {
          const {readSync} = require('fs');
          let source = Buffer.alloc(0);
          while (source[source.length - 1] !== 0) {
            const room = Buffer.alloc(65536);
            source = Buffer.concat([source, room.subarray(0, readSync(3, room, 0, room.length, null))]);
          }
          (0, eval)('(require => {' + source.subarray(0, -1) + '\\n})')(require);
        })()
        """

    /// The shell's own stderr is not that of the pieces: an interactive shell prints prompts and more there.
    private static let shellStart = "exec 8<&0 9>&2 0<&3 2>/dev/null; exec \"$0\" \"$@\""

    /// - Parameter program: the interpreter, if the pool sets another one for this language.
    func argv(_ program: String?) -> [SystemString] {
        switch self {
        case .python: [SystemString(program ?? "python3"), "-c", SystemString(Language.pythonStart)]
        case .node: [SystemString(program ?? "node"), "-e", SystemString(Language.nodeStart)]
        case .bash:
            [
                "/bin/sh", "-c", SystemString(Language.shellStart), SystemString(program ?? "bash"), "--noprofile",
                "--norc",
                "--noediting", "+H", "-i",
            ]
        case .sh: ["/bin/sh", "-c", SystemString(Language.shellStart), SystemString(program ?? "sh"), "-i", "+m"]
        }
    }

    /// The first bytes on control.
    var driver: [UInt8] {
        switch self {
        case .python: PackageResources.context_py + [0]
        case .node: PackageResources.context_js + [0]
        case .bash, .sh: PackageResources.context_sh
        }
    }

    /// Whether it reads control by lines, as a shell does.
    var isShell: Bool { self == .bash || self == .sh }
    /// Whether it supports completion and inspection.
    var knowsNames: Bool { self == .python }

    /// Whether its interpreter can copy itself.
    var canFork: Bool { self == .python }

    static var names: String { allCases.map(\.rawValue).joined(separator: ", ") }
}
