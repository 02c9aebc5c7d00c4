// SPDX-License-Identifier: Apache-2.0

import Berth
import BerthSchema
import Foundation
import Testing
import TestSupport

@Suite("A program that does its worst, in a real container", .serialized)
struct HostileTests {
    /// Each script tries something, and prints what it has got although it should not.
    private static let attempts: [(name: String, script: String)] = [
        (
            "kills all it can",
            """
            import os, signal
            for pid in range(1, 400):
                if pid != os.getpid():
                    try: os.kill(pid, 9); print("killed", pid) if pid == 1 else None
                    except OSError: pass
            try: os.kill(-1, 9)
            except OSError: pass
            """
        ),
        (
            "looks into the agent",
            """
            import os
            for name in ("mem", "maps", "environ", "exe", "cwd", "root"):
                try: open("/proc/1/" + name, "rb").read(1); print("read", name)
                except OSError: pass
            try: print("saw", os.listdir("/proc/1/fd"))
            except OSError: pass
            for number in range(256):
                try: os.open("/proc/1/fd/%d" % number, os.O_RDWR); print("opened", number)
                except OSError: pass
            """
        ),
        (
            "sends frames to whatever it has open",
            """
            import os, socket
            frame = bytes.fromhex("0000000a0000000902000a0808021204626f6f6d") * 50
            for number in range(3, 512):
                try: os.write(number, frame); print("wrote to", number)
                except OSError: pass
            for line in open("/proc/net/unix").read().splitlines()[1:]:
                words = line.split()
                if len(words) < 8: continue
                try:
                    s = socket.socket(socket.AF_UNIX); s.settimeout(1); s.connect(words[7].replace("@", "\\0", 1))
                    s.sendall(frame); print("reached", words[7])
                except OSError: pass
            os.write(1, b"")
            """
        ),
        (
            "steals from its own pipe, and sends frames into every descriptor of every process",
            """
            import fcntl, os
            frame = bytes.fromhex("0000000a0000000902000a0808021204626f6f6d") * 50
            both = os.open("/proc/self/fd/2", os.O_RDWR | os.O_NONBLOCK)
            fcntl.fcntl(2, fcntl.F_SETFL, os.O_NONBLOCK)
            for size in (4096, 1 << 20, 4096):
                try: fcntl.fcntl(both, 1031, size)  # F_SETPIPE_SZ
                except OSError: pass
                for _ in range(1000):
                    try: os.write(2, frame)
                    except OSError: pass
                    try: os.read(both, 1 << 16)
                    except OSError: pass
            for pid in filter(str.isdigit, os.listdir("/proc")):
                try: numbers = os.listdir("/proc/%s/fd" % pid)
                except OSError: continue
                for number in numbers:
                    try: found = os.open("/proc/%s/fd/%s" % (pid, number), os.O_RDWR | os.O_NONBLOCK)
                    except OSError: continue
                    if int(pid) != os.getpid(): print("opened", pid, number)
                    elif int(number) != 1: os.write(found, frame)
            """
        ),
        (
            "writes everywhere",
            """
            import os
            for folder, names, _ in os.walk("/"):
                if folder.startswith(("/proc", "/tmp", "/var/tmp", "/workspace", "/dev/shm", "/dev/mqueue")): names[:] = []; continue
                try: open(os.path.join(folder, "hostile"), "w"); print("wrote in", folder)
                except OSError: pass
            """
        ),
        (
            "fills the tmpfs",
            """
            for place in ("/tmp", "/var/tmp", "/workspace", "/dev/shm"):
                try:
                    with open(place + "/full", "wb") as file:
                        while True: file.write(bytes(1 << 20))
                except OSError: pass
                try: import os; os.remove(place + "/full")
                except OSError: pass
            """
        ),
        (
            "fills the pid table",
            """
            import os, time
            try:
                while True:
                    if os.fork() == 0: os.setsid(); time.sleep(1000)
            except OSError: pass
            """
        ),
        (
            "closes its descriptors and goes on",
            """
            import os, time
            os.closerange(0, 1024)
            if os.fork() == 0:
                os.setsid()
                if os.fork() == 0: time.sleep(1000)
            """
        ),
    ]

    @Test(
        "nothing of the agent, the server or another lease is reached, and each end is told",
        arguments: Runtime.allCases)
    func hostile(_ runtime: Runtime) async throws {
        try await ServerProcess.with(runtime, ["--size", "2", "--max", "3"]) { server in
            let client = try await BerthClient.connect(to: try ServerAddress(server.address))
            defer { client.close() }
            let victim = try await client.acquire()
            let lines = Command(shell: "i=0; while [ $i -lt 400 ]; do echo $i; i=$((i+1)); sleep 0.01; done")
            let undisturbed = Task { try await client.run(lines, in: victim) }

            let lease = try await client.acquire()
            for (name, script) in Self.attempts {
                let output = try await client.run(Command(["python3", "-c", script]), in: lease)
                #expect(output.text == "", "\(name): \(output.text)")
                let said = String(decoding: output.stderr, as: UTF8.self)
                // It did its worst to the end, and nothing of it was a mistake of its own.
                #expect(output.ended.cause == .exited && output.ended.exitCode == 0, "\(name): \(output.ended) \(said)")
                // All that it has started is gone with it.
                let left = try await client.run(
                    Command(shell: "for p in /proc/[0-9]*; do echo ${p#/proc/}; done"), in: lease)
                #expect(left.text.split(separator: "\n").count == 2, "\(name) left \(left.text)")
            }
            // Memory, last: it may take the container with it.
            let eater = Command(["python3", "-c", "x = []\nwhile True: x.append(bytearray(1 << 20))"])
            let eaten = try await client.run(eater, in: lease)
            #expect(eaten.ended.cause == .outOfMemory, "\(eaten.ended)")

            let output = try await undisturbed.value
            #expect(output.text == (0..<400).map { "\($0)\n" }.joined())
            #expect(output.ended.exitCode == 0)
            try await client.release(lease)
            try await eventually("the member is destroyed", within: .seconds(20)) {
                try await !client.members().contains { $0.id == lease.member }
            }
            #expect(server.program.isRunning)
        }
    }

    @Test("a container whose agent is killed ends its executions as lost, and no others", arguments: Runtime.allCases)
    func agentKilled(_ runtime: Runtime) async throws {
        try await ServerProcess.with(runtime, ["--size", "2"]) { server in
            let client = try await BerthClient.connect(to: try ServerAddress(server.address))
            defer { client.close() }
            let (lost, other) = (try await client.acquire(), try await client.acquire())
            let staying = client.execute(Command(shell: "echo on; read line; echo $line"), in: other)
            let running = client.execute(Command(shell: "echo on; sleep 1000"), in: lost)
            for try await event in running {
                if case .output = event { kill(try await server.agent(of: lost.member), SIGKILL) }
                if case .ended(let ended) = event { #expect(ended.cause == .containerLost) }
            }
            #expect(try await staying.collect().text == "on\n\n")
        }
    }
}
