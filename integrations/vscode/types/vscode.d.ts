// SPDX-License-Identifier: Apache-2.0

// As much of VS Code's API (1.82) as the extension uses, written by hand from its documentation.

declare module "vscode" {
  export type Thenable<T> = PromiseLike<T>;
  export type ProviderResult<T> = T | undefined | null | Thenable<T | undefined | null>;
  export type Event<T> = (listener: (event: T) => unknown, thisArgs?: unknown, disposables?: Disposable[]) => Disposable;

  export class Disposable {
    constructor(callOnDispose: () => unknown);
    dispose(): unknown;
  }
  export class EventEmitter<T> {
    readonly event: Event<T>;
    fire(data: T): void;
    dispose(): void;
  }
  export interface CancellationToken {
    readonly isCancellationRequested: boolean;
  }

  export class Uri {
    private constructor();
    static file(path: string): Uri;
    static parse(value: string): Uri;
    static joinPath(base: Uri, ...segments: string[]): Uri;
    readonly scheme: string;
    readonly path: string;
    readonly fsPath: string;
    toString(): string;
  }
  export class Position {
    constructor(line: number, character: number);
    readonly line: number;
    readonly character: number;
  }
  export class Range {
    constructor(start: Position, end: Position);
    readonly start: Position;
    readonly end: Position;
    readonly isEmpty: boolean;
  }
  export class Selection extends Range {
    constructor(anchor: Position, active: Position);
    readonly active: Position;
  }
  export interface TextLine {
    readonly text: string;
    readonly range: Range;
  }
  export interface TextDocument {
    readonly uri: Uri;
    readonly languageId: string;
    readonly isUntitled: boolean;
    getText(range?: Range): string;
    lineAt(line: number): TextLine;
  }
  export interface TextEditor {
    readonly document: TextDocument;
    selection: Selection;
  }

  // MARK: Workspace

  export interface WorkspaceFolder {
    readonly uri: Uri;
    readonly name: string;
    readonly index: number;
  }
  export class RelativePattern {
    constructor(base: WorkspaceFolder | Uri | string, pattern: string);
  }
  export interface WorkspaceConfiguration {
    get<T>(section: string): T | undefined;
  }
  export interface ConfigurationChangeEvent {
    affectsConfiguration(section: string): boolean;
  }
  export interface FileStat {
    readonly mtime: number;
    readonly size: number;
  }
  export namespace workspace {
    const workspaceFolders: readonly WorkspaceFolder[] | undefined;
    const fs: { stat(uri: Uri): Thenable<FileStat>; readFile(uri: Uri): Thenable<Uint8Array> };
    const onDidChangeConfiguration: Event<ConfigurationChangeEvent>;
    function getConfiguration(section?: string, scope?: Uri): WorkspaceConfiguration;
    function getWorkspaceFolder(uri: Uri): WorkspaceFolder | undefined;
    function findFiles(include: RelativePattern, exclude?: RelativePattern | null, maxResults?: number): Thenable<Uri[]>;
    function openTextDocument(uri: Uri): Thenable<TextDocument>;
  }

  // MARK: Window

  export class ThemeIcon {
    constructor(id: string);
    readonly id: string;
  }
  export enum StatusBarAlignment { Left = 1, Right = 2 }
  export interface StatusBarItem extends Disposable {
    name: string | undefined;
    text: string;
    tooltip: string | undefined;
    command: string | undefined;
    show(): void;
    hide(): void;
  }
  export interface LogOutputChannel extends Disposable {
    info(message: string): void;
    warn(message: string): void;
    error(message: string): void;
  }
  export interface TerminalDimensions {
    readonly columns: number;
    readonly rows: number;
  }
  export interface Pseudoterminal {
    onDidWrite: Event<string>;
    onDidClose?: Event<void | number>;
    onDidChangeName?: Event<string>;
    open(initialDimensions: TerminalDimensions | undefined): void;
    close(): void;
    handleInput?(data: string): void;
    setDimensions?(dimensions: TerminalDimensions): void;
  }
  export interface ExtensionTerminalOptions {
    name: string;
    pty: Pseudoterminal;
    iconPath?: ThemeIcon;
  }
  export interface TerminalOptions {
    name?: string;
  }
  export enum TerminalExitReason { Unknown = 0, Shutdown = 1, Process = 2, User = 3, Extension = 4 }
  export interface Terminal {
    readonly name: string;
    readonly creationOptions: Readonly<TerminalOptions | ExtensionTerminalOptions>;
    readonly exitStatus: { readonly code: number | undefined; readonly reason: TerminalExitReason } | undefined;
    show(preserveFocus?: boolean): void;
    dispose(): void;
  }
  export class TerminalProfile {
    constructor(options: ExtensionTerminalOptions);
    options: ExtensionTerminalOptions;
  }
  export interface TerminalProfileProvider {
    provideTerminalProfile(token: CancellationToken): ProviderResult<TerminalProfile>;
  }
  export interface TerminalLinkContext {
    line: string;
    terminal: Terminal;
  }
  export interface TerminalLink {
    startIndex: number;
    length: number;
    tooltip?: string;
  }
  export interface TerminalLinkProvider<T extends TerminalLink> {
    provideTerminalLinks(context: TerminalLinkContext, token: CancellationToken): ProviderResult<T[]>;
    handleTerminalLink(link: T): ProviderResult<void>;
  }
  export interface QuickPickItem {
    label: string;
    description?: string;
  }
  export namespace window {
    const activeTextEditor: TextEditor | undefined;
    const terminals: readonly Terminal[];
    const onDidCloseTerminal: Event<Terminal>;
    function createTerminal(options: ExtensionTerminalOptions): Terminal;
    function createOutputChannel(name: string, options: { log: true }): LogOutputChannel;
    function createStatusBarItem(id: string, alignment?: StatusBarAlignment, priority?: number): StatusBarItem;
    function registerTerminalProfileProvider(id: string, provider: TerminalProfileProvider): Disposable;
    function registerTerminalLinkProvider<T extends TerminalLink>(provider: TerminalLinkProvider<T>): Disposable;
    function showErrorMessage(message: string, ...items: string[]): Thenable<string | undefined>;
    function showWarningMessage(message: string, ...items: string[]): Thenable<string | undefined>;
    function showInformationMessage(message: string, ...items: string[]): Thenable<string | undefined>;
    function showQuickPick<T extends QuickPickItem>(items: readonly T[], options?: { placeHolder?: string }): Thenable<T | undefined>;
    function showTextDocument(uri: Uri, options?: { selection?: Range }): Thenable<TextEditor>;
  }

  // MARK: Commands and tasks

  export namespace commands {
    function registerCommand(command: string, callback: (...args: any[]) => unknown): Disposable;
    function executeCommand<T = unknown>(command: string, ...rest: unknown[]): Thenable<T>;
  }
  export interface TaskDefinition {
    readonly type: string;
    [name: string]: any;
  }
  export enum TaskScope { Global = 1, Workspace = 2 }
  export class TaskGroup {
    private constructor();
    static Build: TaskGroup;
  }
  export class CustomExecution {
    constructor(callback: (resolvedDefinition: TaskDefinition) => Thenable<Pseudoterminal>);
  }
  export class Task {
    constructor(
      taskDefinition: TaskDefinition, scope: WorkspaceFolder | TaskScope, name: string, source: string, execution?: CustomExecution,
      problemMatchers?: string | string[],
    );
    definition: TaskDefinition;
    readonly scope: WorkspaceFolder | TaskScope | undefined;
    name: string;
    execution: CustomExecution | undefined;
    source: string;
    group: TaskGroup | undefined;
    problemMatchers: string[];
  }
  export interface TaskProvider<T extends Task = Task> {
    provideTasks(token: CancellationToken): ProviderResult<T[]>;
    resolveTask(task: T, token: CancellationToken): ProviderResult<T>;
  }
  export namespace tasks {
    function registerTaskProvider(type: string, provider: TaskProvider): Disposable;
  }

  // MARK: The extension

  export interface Memento {
    keys(): readonly string[];
    get<T>(key: string): T | undefined;
    get<T>(key: string, defaultValue: T): T;
    update(key: string, value: unknown): Thenable<void>;
  }
  export interface SecretStorage {
    get(key: string): Thenable<string | undefined>;
    store(key: string, value: string): Thenable<void>;
    delete(key: string): Thenable<void>;
  }
  export interface ExtensionContext {
    readonly subscriptions: { dispose(): unknown }[];
    readonly workspaceState: Memento;
    readonly secrets: SecretStorage;
  }
}
