// SPDX-License-Identifier: Apache-2.0

// As much of Node's types as the extension and the client's need, for machines without @types/node.

interface Buffer extends Uint8Array {
  copy(target: Uint8Array, targetStart?: number): number;
  subarray(begin?: number, end?: number): Buffer;
  toString(encoding?: string): string;
  write(text: string, offset: number, encoding: string): number;
}
declare const Buffer: {
  alloc(size: number): Buffer;
  concat(parts: readonly Uint8Array[]): Buffer;
  from(text: string): Buffer;
};
declare namespace NodeJS {
  interface Timeout {
    unref(): this;
  }
}
declare const process: { readonly env: Record<string, string | undefined> };
declare const performance: { now(): number };
declare const module: { exports: unknown };
declare function setTimeout(body: () => void, ms: number): NodeJS.Timeout;
declare function clearTimeout(timer: NodeJS.Timeout | undefined): void;

interface AbortSignal {
  readonly aborted: boolean;
  throwIfAborted(): void;
}
declare class AbortController {
  readonly signal: AbortSignal;
  abort(reason?: unknown): void;
}
declare class TextDecoder {
  constructor(label: string, options?: { ignoreBOM?: boolean });
  decode(data?: Uint8Array, options?: { stream?: boolean }): string;
}

declare module "node:crypto" {
  export function randomUUID(): string;
}
declare module "node:fs/promises" {
  export function stat(path: string): Promise<{ mode: number }>;
}
declare module "node:path" {
  export const posix: {
    basename(path: string): string;
    relative(from: string, to: string): string;
    resolve(...paths: string[]): string;
  };
}
declare module "node:stream" {
  export class Readable implements AsyncIterable<any> {
    pipe<T extends Writable>(target: T): T;
    [Symbol.asyncIterator](): AsyncIterableIterator<any>;
  }
  export class Writable {
    write(chunk: string | Uint8Array): boolean;
    end(chunk?: string | Uint8Array): void;
  }
  export class Duplex extends Readable implements Writable {
    write(chunk: string | Uint8Array): boolean;
    end(chunk?: string | Uint8Array): void;
    destroy(error?: Error): this;
  }
}
declare module "node:tls" {
  export interface ConnectionOptions {
    ca?: string | Buffer;
    servername?: string;
  }
}
