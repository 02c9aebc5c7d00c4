// SPDX-License-Identifier: Apache-2.0

internal import BerthSchema
internal import CLinux
internal import Glibc

extension AgentCommand {
    /// The environment that the image has given this process, as `NAME=value`.
    static var environment: [SystemString] {
        var entries: [SystemString] = []
        var next = berth_environment()
        while let entry = next.pointee {
            entries.append(SystemString(Array(UnsafeRawBufferPointer(start: entry, count: strlen(entry)))))
            next = next.successor()
        }
        return entries
    }
}
