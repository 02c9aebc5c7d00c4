// SPDX-License-Identifier: Apache-2.0

import Console

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

StandardDescriptors.open()
// A closed pipe is an error like others.
signal(SIGPIPE, SIG_IGN)
// The most frequent commands, in their clear forms, are done here. The whole program does everything else, including
// mistakes and --help.
if let status = Front.run(Arguments.own) { exit(status) }
WholeProgram.become()

enum Front {
    /// Returns the exit code; nil if nothing was done and the whole program has to do it.
    static func run(_ arguments: [String]) -> Int32? {
        // A token has to be sent first.
        guard Arguments.variable("BERTH_TOKEN") == nil, Arguments.variable("BERTH_TOKEN_FILE") == nil else {
            return nil
        }
        return switch arguments.first {
        case "run": RunCommand(arguments.dropFirst())?.run()
        case "acquire": AcquireCommand(arguments.dropFirst())?.run()
        case "release": ReleaseCommand(arguments.dropFirst())?.run()
        default: nil
        }
    }
}
