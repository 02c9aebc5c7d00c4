// SPDX-License-Identifier: Apache-2.0

import CAgent
import CLinux
import Glibc
import Testing

@testable import AgentCore

/// Resets with what Podman gives to its containers and Docker does not. The checks in a virtual machine (Tests/VM) use
/// Podman itself.
@Suite("Reset on engines that leave more open")
struct ForeignEngineTests {
    /// The same as makedev(3).
    private func number(_ major: UInt64, _ minor: UInt64) -> UInt64 {
        minor & 0xFF | (major & 0xFFF) << 8 | (minor & ~0xFF) << 12 | (major & ~0xFFF) << 32
    }

    @Test("devices without a memory are told from all others")
    func devices() {
        let kind = UInt32(S_IFCHR) | 0o666
        for minor in [3, 5, 7, 8, 9] as [UInt64] {
            #expect(Device.hasNoMemory(mode: kind, number: number(1, minor)))
        }
        #expect(Device.hasNoMemory(mode: kind, number: number(5, 0)))
        // mem, port, kmsg, tty0, console, ptmx, a disk's number, and numbers that differ in their high bits only.
        for other in [(1, 1), (1, 4), (1, 11), (4, 0), (5, 1), (5, 2), (8, 0), (0x1001, 3), (1, 0x103)] {
            #expect(!Device.hasNoMemory(mode: kind, number: number(UInt64(other.0), UInt64(other.1))), "\(other)")
        }
        #expect(!Device.hasNoMemory(mode: UInt32(S_IFBLK) | 0o666, number: number(1, 3)))
        #expect(!Device.hasNoMemory(mode: UInt32(S_IFREG) | 0o666, number: number(1, 3)))
    }

    @Test("a device is known by its number, mode and owner, and only where it is mounted for itself")
    func mounts() throws {
        let line = "812 811 0:5 /null /dev/null rw,nosuid,noexec - devtmpfs udev rw,size=4k"
        let mount = try #require(Mount(line: Substring(line)))
        let device = try #require(Device(mount: mount))
        #expect(Device(path: "/dev/null") == device)
        #expect(Device(path: "/dev/zero") != device)
        for other in [
            "812 811 0:5 / /dev rw - devtmpfs udev rw", "812 811 0:5 /x /nowhere rw - devtmpfs udev rw",
            "812 811 0:5 /null /dev/null rw - ext4 /dev/sda rw",
        ] {
            #expect(Device(mount: try #require(Mount(line: Substring(other)))) == nil, "\(other)")
        }
    }

    @Test("an agent refuses the calls for keyrings to itself and its programs where the engine allows them")
    func keyrings() async {
        await #expect(processExitsWith: .success) {
            guard berth_refuse_keyrings() == 0, berth_can_use_keyrings() == 0 else { exit(1) }
            var pid: pid_t = 0
            let code = """
                import ctypes, errno
                libc = ctypes.CDLL(None, use_errno=True)
                def refused(*call):
                    return libc.syscall(*call) == -1 and ctypes.get_errno() == errno.EPERM
                add, request, control = NUMBERS
                x32 = 0x40000000
                assert refused(add, b"user", b"berth", b"x", 1, -3) and refused(request, b"user", b"berth", 0, 0)
                assert refused(control, 0, -4, 0)
                assert MACHINE != "x86_64" or refused(x32 | control, 0, -4, 0)
                open("/dev/null", "w").write("all else works")
                """
            #if arch(x86_64)
                let (numbers, machine) = ("248, 249, 250", "x86_64")
            #else
                let (numbers, machine) = ("217, 218, 219", "aarch64")
            #endif
            let script = code.replacing("NUMBERS", with: numbers).replacing("MACHINE", with: "\"\(machine)\"")
            var arguments: [UnsafeMutablePointer<CChar>?] =
                ["python3", "-c", script].map { (word: String) in strdup(word) } + [nil]
            guard posix_spawnp(&pid, "python3", nil, nil, &arguments, berth_environment()) == 0 else { exit(2) }
            var status: Int32 = 0
            waitpid(pid, &status, 0)
            exit(status == 0 ? 0 : 3)
        }
    }
}
