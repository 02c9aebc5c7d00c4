// SPDX-License-Identifier: Apache-2.0

internal import BerthSchema
internal import CAgent
internal import Glibc

/// What the agent does to its container where an engine cannot be asked for it.
extension AgentCommand {
    /// Takes `--close FILE` out of the options: a file of the agent's own user that the engine lets everybody write to, and
    /// keeps on its disk.
    static func closeFiles(_ options: inout [String]) {
        while let path = take("--close", from: &options) {
            if chmod(path, 0o600) != 0 {
                complain("berth-agent: \(path) can't be closed to programs: \(String(cString: strerror(errno)))")
            }
        }
    }

    /// Takes `--limit NAME=VALUE` out of the options: a limit of the agent and of all that it starts, named as engines name
    /// it. One that is lower already stays.
    static func limitPrograms(_ options: inout [String]) throws(SystemError) {
        while let limit = take("--limit", from: &options) {
            let parts = limit.split(separator: "=", maxSplits: 1)
            guard parts.count == 2, let value = rlim_t(parts[1]), let resource = resources[String(parts[0])] else {
                errno = EINVAL
                throw SystemError("--limit")
            }
            var limit = rlimit()
            guard getrlimit(resource, &limit) == 0 else { throw SystemError("getrlimit") }
            limit.rlim_max = min(limit.rlim_max, value)
            limit.rlim_cur = limit.rlim_max
            guard setrlimit(resource, &limit) == 0 else { throw SystemError("setrlimit") }
        }
    }

    /// Takes `--unset PREFIX` out of the options: variables that an engine sets in every container, and that are no program's
    /// business.
    static func unsetVariables(_ options: inout [String]) {
        while let prefix = take("--unset", from: &options), !prefix.isEmpty {
            let names = environment.map { String(decoding: $0.bytes.prefix { $0 != UInt8(ascii: "=") }, as: UTF8.self) }
            for name in names where name.hasPrefix(prefix) { unsetenv(name) }
        }
    }

    private static let resources: [String: __rlimit_resource_t] = [
        "core": __rlimit_resource_t(RLIMIT_CORE.rawValue), "memlock": __rlimit_resource_t(__RLIMIT_MEMLOCK.rawValue),
        "msgqueue": __rlimit_resource_t(__RLIMIT_MSGQUEUE.rawValue),
        "nofile": __rlimit_resource_t(RLIMIT_NOFILE.rawValue), "nproc": __rlimit_resource_t(__RLIMIT_NPROC.rawValue),
    ]

    /// Takes `--filter FILE` out of the options: the filter of system calls, in hexadecimal, for the agent and all that it
    /// starts.
    static func takeFilter(_ options: inout [String]) throws(SystemError) {
        while let path = take("--filter", from: &options) {
            guard let text = readAll(path: path) else { throw SystemError("read the filter") }
            let digits = text.filter { $0 > UInt8(ascii: " ") }.map { Character(UnicodeScalar($0)).hexDigitValue }
            guard digits.count.isMultiple(of: 2), !digits.contains(nil) else {
                errno = EINVAL
                throw SystemError("read the filter")
            }
            let values = digits.compactMap(\.self)
            let bytes = stride(from: 0, to: values.count, by: 2).map { UInt8(values[$0] << 4 | values[$0 + 1]) }
            let result = berth_take_filter(bytes, bytes.count)
            guard result == 0 else { throw SystemError("take the filter", result) }
        }
    }

    /// Removes an option and its value; nil if it is not there.
    private static func take(_ name: String, from options: inout [String]) -> String? {
        guard let at = options.firstIndex(of: name), at + 1 < options.count else { return nil }
        defer { options.removeSubrange(at...at + 1) }
        return options[at + 1]
    }

    /// Copies this program to a file that all may run: for a container that brings it to another one.
    static func installItself(at path: String) throws(SystemError) {
        let source = try Descriptor(open("/proc/self/exe", O_RDONLY | O_CLOEXEC), of: "open /proc/self/exe")
        let target = try Descriptor(open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o755), of: "open")
        var left = try size(of: source.raw)
        while left > 0 {
            let count = sendfile(target.raw, source.raw, nil, left)
            guard count > 0 else { throw SystemError("sendfile") }
            left -= count
        }
        guard fchmod(target.raw, 0o755) == 0 else { throw SystemError("fchmod") }
    }

    private static func size(of descriptor: Int32) throws(SystemError) -> Int {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw SystemError("fstat") }
        return status.st_size
    }
}
