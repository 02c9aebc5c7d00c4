// SPDX-License-Identifier: Apache-2.0

internal import Pool
internal import Yams

/// An interpreter that starts while a container is being warmed, and then forks the programs of its language.
package struct InterpreterSettings: Sendable, Equatable {
    /// Nil: the program of the language's command.
    package var path: String?
    /// Modules that it imports.
    package var preload: [String] = []
    /// Code that it runs after that.
    package var warmup = ""

    package init() {}
}

extension ProgramSettings {
    /// Languages that can have such an interpreter.
    static let warmLanguages = ["python"]

    /// The languages' commands. One whose interpreter has a path is run by that, also when it is not forked.
    package var allLanguages: [String: [String]] {
        var languages = languages
        for (name, interpreter) in interpreters {
            if let path = interpreter.path { languages[name] = [path, "-c", ProgramSettings.codePlaceholder] }
        }
        return languages
    }

    /// For the members' template.
    var warmInterpreters: [WarmInterpreter] {
        interpreters.sorted { $0.key < $1.key }.map { language, settings in
            WarmInterpreter(
                language: language, path: allLanguages[language]?.first ?? language, preload: settings.preload,
                warmup: settings.warmup, env: env)
        }
    }

    /// Why a language's command can't have such an interpreter, because it is another or has other arguments; nil if it can.
    func problem(of language: String) -> String? {
        guard let interpreter = interpreters[language], let command = languages[language] else { return nil }
        let isPlain = Array(command.dropFirst()) == ["-c", ProgramSettings.codePlaceholder]
        let isStandard = command == ProgramSettings.standardLanguages[language]
        if !isPlain {
            return "languages.\(language) has other arguments than -c and the code: a fork would not have them"
        }
        if let path = interpreter.path, !isStandard, command.first != path {
            return "languages.\(language) is \(command.first ?? ""), and interpreters.\(language).path is \(path)"
        }
        return nil
    }
}

extension ValueKind<[String: InterpreterSettings]> {
    static var interpreters: Self {
        let known = ProgramSettings.warmLanguages
        return Self(
            allowed:
                "a map, LANGUAGE: {path: PROGRAM, preload: [MODULE, …], warmup: CODE}, each optional; languages are "
                + known.joined(separator: ", ")
        ) { node throws(ValueProblem) in
            var found: [String: InterpreterSettings] = [:]
            for (language, value) in try entries(node) {
                guard known.contains(language) else {
                    throw ValueProblem(message: "\(quoted(language)) has no interpreter that can be started beforehand")
                }
                found[language] = try interpreter(value, language)
            }
            return found
        } show: { interpreters in
            flow(interpreters) { settings in
                var parts: [String] = []
                if let path = settings.path { parts.append("path: \(quoted(path))") }
                if !settings.preload.isEmpty {
                    parts.append("preload: [\(settings.preload.map(quoted).joined(separator: ", "))]")
                }
                if !settings.warmup.isEmpty { parts.append("warmup: \(quoted(settings.warmup))") }
                return "{\(parts.joined(separator: ", "))}"
            }
        }
    }

    private static func interpreter(_ node: Node, _ language: String) throws(ValueProblem) -> InterpreterSettings {
        var settings = InterpreterSettings()
        for (name, value) in try entries(node) {
            switch name {
            case "path": settings.path = try text(value)
            case "preload":
                guard let items = value.sequence else { throw ValueProblem(message: "preload is not a list") }
                for item in items { settings.preload.append(try text(item)) }
            case "warmup": settings.warmup = try text(value)
            default:
                throw ValueProblem(message: "\(language) has no \(quoted(name)): there are path, preload and warmup")
            }
        }
        guard settings.path?.isEmpty != true else { throw ValueProblem(message: "the path of \(language) is empty") }
        for module in settings.preload {
            let isName = module.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { part in
                !part.isEmpty
                    && part.unicodeScalars.allSatisfy {
                        $0 == "_" || $0.properties.isAlphabetic || $0.properties.numericType != nil
                    }
            }
            guard isName else { throw ValueProblem(message: "\(quoted(module)) is not the name of a module") }
        }
        guard !settings.warmup.utf8.contains(0) else {
            throw ValueProblem(message: "the warmup of \(language) holds a NUL")
        }
        return settings
    }
}
