// SPDX-License-Identifier: Apache-2.0

internal import CHost
internal import Glibc
internal import Housekeeping
package import Pool

extension Cgroups {
    /// What members may use, in v1's notation: null, zero, full, random, urandom, tty and its terminals.
    private static let allowedDevices = ["1:3", "1:5", "1:7", "1:8", "1:9", "5:0", "5:2", "136:*"]

    /// The members' parent in v1's hierarchy of devices; nil with v2.
    package var devices: String? { isUnified || UserNamespace.isOwn ? nil : devicesMount.map { "\($0)/\(parent)" } }

    private var devicesMount: String? {
        mounts.first { $0.split(separator: "/").last?.split(separator: ",").contains("devices") == true }
    }

    /// Restricts the devices of all members at once, on their parent and before there are any: with v1, children inherit it;
    /// with v2, a program on the parent decides for them too.
    package func restrictDevices() throws(RuntimeError) {
        // There, no device can be made, and those of the host keep their permissions.
        if UserNamespace.isOwn { return }
        if isUnified {
            let path = "\(mounts[0])/\(parent)"
            let result = berth_restrict_devices(path)
            guard result == 0 else {
                errno = -result
                throw failure("restrict the devices of", path)
            }
            return
        }
        guard let path = devices else {
            throw RuntimeError(.runtimeUnreachable, "no cgroup controller for devices under /sys/fs/cgroup")
        }
        if mkdir(path, 0o755) != 0, errno != EEXIST { throw failure("mkdir", path) }
        // Left by an earlier server of this instance.
        if Files.text("\(path)/devices.list").split(separator: "\n").allSatisfy({ $0.hasPrefix("c ") }) { return }
        guard Self.write("a".utf8, to: "\(path)/devices.deny") else { throw failure("restrict the devices of", path) }
        for device in Self.allowedDevices {
            guard Self.write("c \(device) rwm".utf8, to: "\(path)/devices.allow") else {
                throw failure("allow the device \(device) in", path)
            }
        }
    }
}
