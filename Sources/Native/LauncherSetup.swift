// SPDX-License-Identifier: Apache-2.0

internal import CLauncher
internal import Embedded
internal import Glibc
internal import Hardening
internal import Housekeeping
internal import Pool

/// What a launcher is told once: all that the members of its template have in common.
struct LauncherSetup {
    private(set) var message = LauncherMessage(BERTH_LAUNCHER_SETUP, number: 0)
    /// Directories and files of the host in the launcher's tree, in the order of their numbers there.
    private var sources: [String] = []

    /// - Parameters:
    ///   - layers: names of the files in /etc that each member has for itself.
    ///   - filter: the filter of system calls, an array of `struct sock_filter`.
    init(
        template: MemberTemplate, root: RootFilesystem, layers: [String], ground: EmbeddedGround, filter: [UInt8]
    ) {
        let hardening = HardeningProfile(template, user: 0, sharesFiles: !root.isOverlaid)
        message.add(BERTH_ITEM_TREE, ground.empty)
        for name in layers { message.add(BERTH_ITEM_LAYER, "etc/\(name)") }
        add(ground.cgroups, template)
        addRoot(root, layers)
        bind(ground.agentPath, at: "/.berth/agent")
        if UserNamespace.isOwn { addSystemOfHost() }
        step(BERTH_STEP_ENTER, "")
        addSystem(ground.cgroups)
        for place in hardening.places { addPlace(place) }
        for path in HardeningProfile.maskedPaths + root.maskedPaths { step(BERTH_STEP_MASK, path) }
        for path in HardeningProfile.readonlyPaths { step(BERTH_STEP_READ_ONLY, path) }
        for source in sources { message.add(BERTH_ITEM_SOURCE, source) }

        for limit in hardening.limits {
            guard let resource = Self.resources[limit.name] else {
                preconditionFailure("no number is known for the resource limit \(limit.name)")
            }
            message.add(
                BERTH_ITEM_RLIMIT,
                berth_launcher_rlimit(resource: resource, reserved: 0, value: UInt64(limit.value)))
        }
        message.add(BERTH_ITEM_CAPABILITIES, Self.mask(HardeningProfile.capabilities))
        message.add(BERTH_ITEM_FILTER, filter)
        for argument in ["/.berth/agent", "--stdio"] { message.add(BERTH_ITEM_ARGUMENT, argument) }
        for variable in root.environment { message.add(BERTH_ITEM_VARIABLE, variable) }
        if UserNamespace.isOwn { message.add(BERTH_ITEM_ROOTLESS, []) }
        if template.network != "host" { message.add(BERTH_ITEM_NETWORK, []) }
    }

    // MARK: Limits

    private mutating func add(_ cgroups: Cgroups, _ template: MemberTemplate) {
        for hierarchy in cgroups.hierarchies {
            let kind = cgroups.isUnified ? BERTH_CGROUP_UNIFIED : BERTH_CGROUP_OWN
            message.add(BERTH_ITEM_CGROUP, head: berth_launcher_cgroup(kind: kind.rawValue), hierarchy.parent)
        }
        if let devices = cgroups.devices {
            message.add(BERTH_ITEM_CGROUP, head: berth_launcher_cgroup(kind: BERTH_CGROUP_SHARED.rawValue), devices)
        }
        for limit in cgroups.limits(template) {
            message.add(
                BERTH_ITEM_LIMIT,
                head: berth_launcher_limit(cgroup: UInt32(limit.hierarchy), is_optional: limit.isOptional ? 1 : 0),
                limit.file, limit.value)
        }
    }

    /// The kernel's numbers, the same on all of Berth's architectures.
    private static let resources: [String: UInt32] = ["core": 4, "nofile": 7, "memlock": 8, "msgqueue": 12]
    private static let capabilities: [String: UInt64] = ["KILL": 5, "SETGID": 6, "SETUID": 7]

    private static func mask(_ names: [String]) -> UInt64 {
        names.reduce(0) { mask, name in
            guard let number = capabilities[name] else { preconditionFailure("no number is known for CAP_\(name)") }
            return mask | 1 << number
        }
    }

    // MARK: File systems

    private mutating func step(
        _ kind: berth_launcher_step_kind, _ target: String, source: String = "", type: String = "", data: String = "",
        flags: Int = 0, number: UInt32 = 0
    ) {
        let head = berth_launcher_step(kind: kind.rawValue, flags: UInt32(flags), number: number, reserved: 0)
        message.add(BERTH_ITEM_STEP, head: head, target, source, type, data)
    }

    /// The path of a source in the launcher's tree.
    private mutating func place(_ source: String) -> String {
        let index = sources.firstIndex(of: source) ?? sources.count
        if index == sources.count { sources.append(source) }
        return "\(BERTH_TREE_SOURCES)/\(index)"
    }

    private static let readOnly = Int(MS_RDONLY | MS_NOSUID | MS_NODEV)

    private mutating func bind(_ source: String, at destination: String) {
        step(BERTH_STEP_BIND, destination, source: place(source), flags: Self.readOnly)
    }

    private mutating func overlay(_ layers: [String], at destination: String) {
        step(
            BERTH_STEP_MOUNT, destination, source: "overlay", type: "overlay", data: Overlay.options(layers),
            flags: Self.readOnly)
    }

    /// All that comes from the host: before ENTER, since it cannot be reached later.
    private mutating func addRoot(_ root: RootFilesystem, _ layers: [String]) {
        if root.isOverlaid {
            overlay([BERTH_TREE_LAYER] + root.layers.map { place($0) }, at: "/")
        } else {
            bind(root.path, at: "/")
        }
        for mount in root.mounts { bind(mount.source, at: mount.destination) }
        for overlaid in root.overlays {
            overlay([place(overlaid.source), BERTH_TREE_EMPTY], at: overlaid.destination)
        }
        guard !root.isOverlaid else { return }
        for name in layers {
            step(
                BERTH_STEP_BIND, "/etc/\(name)", source: "\(BERTH_TREE_LAYER)/etc/\(name)", flags: Self.readOnly)
        }
    }

    private mutating func addSystem(_ cgroups: Cgroups) {
        for mount in MemberMount.here {
            if mount.type == "cgroup" {
                addCgroups(cgroups, mount)
                continue
            }
            if !UserNamespace.isOwn || !Self.ofHost.contains(mount.destination) { add(mount) }
            if mount.destination == "/dev" { addDevices() }
        }
    }

    private static let ofHost: Set<String> = ["/proc", "/dev", "/sys"]

    /// In a user namespace, what can be mounted only beside the host's own, and the host's devices, since none can be made.
    private mutating func addSystemOfHost() {
        for mount in MemberMount.here where Self.ofHost.contains(mount.destination) {
            add(mount)
            guard mount.destination == "/dev" else { continue }
            for (name, _, _) in Self.devices {
                step(BERTH_STEP_HOST_DEVICE, "/dev/\(name)", source: place("/dev/\(name)"))
            }
        }
    }

    private static let devices: [(String, UInt32, UInt32)] = [
        ("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0),
    ]

    private mutating func add(_ mount: MemberMount, _ kind: berth_launcher_step_kind = BERTH_STEP_MOUNT) {
        let (flags, data) = Self.translated(mount.options)
        step(kind, mount.destination, source: mount.source, type: mount.type, data: data, flags: flags)
    }

    /// The options of a mount as mount(2) takes them.
    static func translated(_ options: [String]) -> (flags: Int, data: String) {
        let known: [String: Int] = [
            "ro": Int(MS_RDONLY), "nosuid": Int(MS_NOSUID), "nodev": Int(MS_NODEV), "noexec": Int(MS_NOEXEC),
            "relatime": Int(MS_RELATIME), "strictatime": Int(MS_STRICTATIME), "bind": Int(MS_BIND),
        ]
        return (
            options.reduce(0) { $0 | (known[$1] ?? 0) }, options.filter { known[$0] == nil }.joined(separator: ",")
        )
    }

    /// What is in /dev, as the OCI runtime specification has it.
    private mutating func addDevices() {
        for (name, major, minor) in Self.devices where !UserNamespace.isOwn {
            step(BERTH_STEP_DEVICE, "/dev/\(name)", number: major << 16 | minor)
        }
        for (name, target) in [
            ("fd", "/proc/self/fd"), ("stdin", "/proc/self/fd/0"), ("stdout", "/proc/self/fd/1"),
            ("stderr", "/proc/self/fd/2"), ("ptmx", "pts/ptmx"),
        ] {
            step(BERTH_STEP_LINK, "/dev/\(name)", source: target)
        }
        for name in ["pts", "shm", "mqueue"] { step(BERTH_STEP_DIRECTORY, "/dev/\(name)", number: 0o755) }
    }

    /// A member's own cgroup: with v2 the file system itself, with v1 a directory for each hierarchy that limits.
    private mutating func addCgroups(_ cgroups: Cgroups, _ mount: MemberMount) {
        let (flags, _) = Self.translated(mount.options)
        let path = mount.destination
        guard !cgroups.isUnified || cgroups.held.isEmpty else {
            return step(BERTH_STEP_MOUNT, path, source: "cgroup", type: "cgroup2", flags: flags)
        }
        let writable = flags & ~Int(MS_RDONLY)
        step(BERTH_STEP_MOUNT, path, source: "tmpfs", type: "tmpfs", data: "mode=755,size=64k", flags: writable)
        for hierarchy in cgroups.hierarchies {
            let directory = "\(path)/\(hierarchy.name)"
            step(BERTH_STEP_DIRECTORY, directory, number: 0o755)
            step(BERTH_STEP_MOUNT, directory, source: "cgroup", type: "cgroup", data: hierarchy.options, flags: flags)
            let controllers = hierarchy.name.split(separator: ",")
            for controller in controllers where controllers.count > 1 {
                step(BERTH_STEP_LINK, "\(path)/\(controller)", source: hierarchy.name)
            }
        }
        step(BERTH_STEP_REMOUNT, path, flags: flags)
    }

    private mutating func addPlace(_ place: HardeningProfile.Tmpfs) {
        // The launcher adds the user of each member.
        let options = place.options.filter { !$0.hasPrefix("uid=") && !$0.hasPrefix("gid=") }
        add(MemberMount(destination: place.path, type: "tmpfs", source: "tmpfs", options: options), BERTH_STEP_PLACE)
    }
}
