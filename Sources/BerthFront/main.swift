// SPDX-License-Identifier: Apache-2.0

import Console

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

StandardDescriptors.open()
// What nobody reads any more is an error like others.
signal(SIGPIPE, SIG_IGN)
// What is asked most, and is quite clear, is done here. All else, mistakes and questions for help included, is the whole
// program's, which has the words for it.
if let status = Front.run(Arguments.own) { exit(status) }
WholeProgram.become()

enum Front {
    /// The exit code; nil when nothing was done, and the whole program is to do it.
    static func run(_ arguments: [String]) -> Int32? {
        switch arguments.first {
        case "run": RunCommand(arguments.dropFirst())?.run()
        case "acquire": AcquireCommand(arguments.dropFirst())?.run()
        case "release": ReleaseCommand(arguments.dropFirst())?.run()
        default: nil
        }
    }
}
