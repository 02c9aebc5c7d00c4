// SPDX-License-Identifier: Apache-2.0

import Foundation
import Hardening
import Housekeeping
import Testing
import TestSupport

/// What libseccomp makes of a profile, used as runc uses it.
struct LibseccompFilter: Decodable {
    /// All calls of the architecture that it knows.
    var numbers: [String: UInt32]
    /// Names of the profile that it knows for no architecture.
    var unknown: [String]
    /// The highest number of the profile's names. runc puts a check in front of the filter: what is higher fails with ENOSYS.
    var highest: UInt32
    /// The program, an array of `struct sock_filter`.
    var program: [UInt8]

    static func make(_ profile: SeccompProfile) throws -> LibseccompFilter {
        let input = String(decoding: try JSONEncoder().encode(profile), as: UTF8.self)
        return try JSONDecoder().decode(Self.self, from: Data(try Python.run(script, [input]).utf8))
    }

    private static let script = """
        import ctypes, json, sys, tempfile
        profile = json.loads(sys.argv[1])
        lib = ctypes.CDLL("libseccomp.so.2")
        class Condition(ctypes.Structure):
            _fields_ = [("argument", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]
        lib.seccomp_init.restype = ctypes.c_void_p
        lib.seccomp_init.argtypes = [ctypes.c_uint32]
        for name in ("seccomp_arch_add", "seccomp_arch_remove"):
            getattr(lib, name).argtypes = [ctypes.c_void_p, ctypes.c_uint32]
        lib.seccomp_rule_add_array.argtypes = [
            ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint, ctypes.POINTER(Condition)]
        lib.seccomp_export_bpf.argtypes = [ctypes.c_void_p, ctypes.c_int]
        lib.seccomp_syscall_resolve_name_arch.argtypes = [ctypes.c_uint32, ctypes.c_char_p]
        lib.seccomp_syscall_resolve_num_arch.argtypes = [ctypes.c_uint32, ctypes.c_int]
        lib.seccomp_syscall_resolve_num_arch.restype = ctypes.c_void_p
        lib.seccomp_arch_native.restype = ctypes.c_uint32
        native = lib.seccomp_arch_native()
        [name] = profile["architectures"]
        architecture = {"SCMP_ARCH_X86_64": 0xC000003E, "SCMP_ARCH_AARCH64": 0xC00000B7}[name]
        def verdict(action, errno):
            return {"SCMP_ACT_ALLOW": 0x7FFF0000, "SCMP_ACT_ERRNO": 0x00050000 | errno}[action]
        def done(code):
            if code < 0: raise OSError(-code, "libseccomp")
        context = lib.seccomp_init(verdict(profile["defaultAction"], profile["defaultErrnoRet"]))
        if architecture != native:
            done(lib.seccomp_arch_add(context, architecture))
            done(lib.seccomp_arch_remove(context, native))
        ops = {"SCMP_CMP_EQ": 4, "SCMP_CMP_MASKED_EQ": 7}
        unknown, highest = [], 0
        for rule in profile["syscalls"]:
            action = verdict(rule["action"], rule.get("errnoRet", 1))
            found = [Condition(c["index"], ops[c["op"]], c["value"], c["valueTwo"]) for c in rule.get("args", [])]
            # Of two conditions for one argument each is a rule, with others together they are one.
            indexes = [c.argument for c in found]
            groups = [[c] for c in found] if len(set(indexes)) < len(indexes) else [found]
            for name in rule["names"]:
                highest = max(highest, lib.seccomp_syscall_resolve_name_arch(architecture, name.encode()))
                # Rules have this machine's numbers, which libseccomp translates; negative ones are of others.
                number = lib.seccomp_syscall_resolve_name_arch(native, name.encode())
                if number == -1: unknown.append(name)
                else:
                    for group in groups:
                        done(lib.seccomp_rule_add_array(context, action, number, len(group), (Condition * len(group))(*group)))
        numbers = {}
        for number in range(600):
            name = lib.seccomp_syscall_resolve_num_arch(architecture, number)
            if name: numbers[ctypes.string_at(name).decode()] = number
        with tempfile.TemporaryFile() as file:
            done(lib.seccomp_export_bpf(context, file.fileno()))
            file.seek(0)
            program = list(file.read())
        print(json.dumps({"numbers": numbers, "unknown": unknown, "highest": highest, "program": program}))
        """
}

/// Runs Python on this machine.
enum Python {
    /// - Returns: what the script prints, which may be of any length.
    static func run(_ script: String, _ arguments: [String]) throws -> String {
        let python = try #require(Subprocess.find("python3"), "python3 is not installed")
        let path = "/tmp/berth-python-\(UUID().uuidString)"
        #expect(FileManager.default.createFile(atPath: path, contents: nil))
        defer { try? FileManager.default.removeItem(atPath: path) }
        let output = try FileHandle(forUpdating: URL(fileURLWithPath: path))
        defer { try? output.close() }
        let process = try ChildProcess(python, ["-c", script] + arguments, output: output.fileDescriptor)
        let status = process.wait()
        try output.seek(toOffset: 0)
        let text = String(decoding: try output.readToEnd() ?? Data(), as: UTF8.self)
        try #require(status == 0, "python3: exit status \(status): \(text)")
        return text
    }
}
