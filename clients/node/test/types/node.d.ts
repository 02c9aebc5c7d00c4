// As much of Node's own types as the client's need, for machines without @types/node.

interface Buffer extends Uint8Array {
  toString(encoding?: string): string;
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
