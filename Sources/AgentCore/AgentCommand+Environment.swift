internal import CLinux

extension AgentCommand {
    /// The environment that the image has given this process, as `NAME=value`; what is not UTF-8 is left out.
    static var environment: [String] {
        var entries: [String] = []
        var next = berth_environment()
        while let entry = next.pointee {
            if let text = String(validatingCString: entry) { entries.append(text) }
            next = next.successor()
        }
        return entries
    }
}
