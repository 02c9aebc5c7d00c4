// SPDX-License-Identifier: Apache-2.0

import Console

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// `berth-full`, the program with all commands. It is next to this program, or in libexec.
enum WholeProgram {
    private static let name = "berth-full"

    /// Replaces this process with it, with the same arguments.
    static func become() -> Never {
        guard let own = ownPath, let slash = own.lastIndex(of: "/") else {
            fail("/proc is not mounted, so \(name) can't be found")
        }
        let folder = own[..<slash]
        let places = ["\(folder)/\(name)", "\(folder)/../libexec/berth/\(name)"]
        for place in places {
            execv(place, CommandLine.unsafeArgv)
            if errno != ENOENT { fail("\(place) can't be executed: \(String(cString: strerror(errno)))") }
        }
        fail(
            "\(name), which does all but the plainest commands, is neither \(places.joined(separator: " nor ")); "
                + "\"make install\" installs both")
    }

    private static func fail(_ message: String) -> Never {
        printError(message)
        exit(CommandLine.arguments.dropFirst().first == "run" ? ExitStatus.ownFailure : 1)
    }

    /// The path of this program, without symbolic links.
    private static var ownPath: String? {
        guard let path = realpath("/proc/self/exe", nil) else { return nil }
        defer { free(path) }
        return String(cString: path)
    }
}
