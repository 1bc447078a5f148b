import { PGlite } from "@electric-sql/pglite";
import { NodeFS } from "@electric-sql/pglite/nodefs";
import { fdatasyncSync, fsyncSync } from "node:fs";
import { syncPath } from "./sync-path.ts";

type FsInit = Awaited<ReturnType<NodeFS["init"]>>;

/** The part of Emscripten's Node file system that we extend. */
interface EmscriptenModule {
  readonly FS: { isDir(mode: number): boolean };
  readonly NODEFS: {
    readonly stream_ops: { fsync?: (stream: EmscriptenStream) => number };
    readonly node_ops: {
      mknod: (parent: EmscriptenNode, ...rest: unknown[]) => unknown;
      rename: (node: EmscriptenNode, newParent: EmscriptenNode, ...rest: unknown[]) => unknown;
      unlink: (parent: EmscriptenNode, ...rest: unknown[]) => unknown;
    };
    realPath(node: EmscriptenNode): string;
  };
}

interface EmscriptenNode {
  readonly mode: number;
  readonly parent: EmscriptenNode;
}

interface EmscriptenStream {
  readonly nfd: number;
  readonly node: EmscriptenNode;
}

/**
 * PGlite's Node file system with a real fsync; as it ships, the WASM call is an empty stub. Names are made durable too:
 * each fsync first syncs the directories in which files were made, renamed or removed since the last one.
 */
export class DurableNodeFs extends NodeFS {
  readonly #onSyncError: (error: unknown) => void;
  readonly #changedDirectories = new Set<string>();
  #syncCount = 0;

  /**
   * `onSyncError` must end the instance and not return: after a failed fsync the kernel has dropped the pages, so that
   * trying again would acknowledge what is lost.
   */
  constructor(dataDir: string, onSyncError: (error: unknown) => void) {
    super(dataDir);
    this.#onSyncError = onSyncError;
  }

  /** Files synced since the start. */
  get syncCount(): number {
    return this.#syncCount;
  }

  override async init(pg: PGlite, options: Parameters<NodeFS["init"]>[1]): Promise<FsInit> {
    const { emscriptenOpts } = await super.init(pg, options);
    const install = (mod: unknown): void => this.#install(mod as EmscriptenModule);
    return { emscriptenOpts: { ...emscriptenOpts, preRun: [...(emscriptenOpts.preRun ?? []), install] } };
  }

  #install({ FS, NODEFS }: EmscriptenModule): void {
    const { mknod, rename, unlink } = NODEFS.node_ops;
    const changed = (directory: EmscriptenNode): void => {
      this.#changedDirectories.add(NODEFS.realPath(directory));
    };
    NODEFS.node_ops.mknod = (parent, ...rest) => {
      changed(parent);
      return mknod(parent, ...rest);
    };
    NODEFS.node_ops.rename = (node, newParent, ...rest) => {
      changed(node.parent);
      changed(newParent);
      return rename(node, newParent, ...rest);
    };
    NODEFS.node_ops.unlink = (parent, ...rest) => {
      changed(parent);
      return unlink(parent, ...rest);
    };
    NODEFS.stream_ops.fsync = (stream) => {
      this.#sync(stream.nfd, FS.isDir(stream.node.mode));
      return 0;
    };
  }

  #sync(fd: number, isDirectory: boolean): void {
    try {
      for (const directory of this.#changedDirectories) syncPath(directory);
      this.#changedDirectories.clear();
      // fdatasync keeps a file's size and content, which is all that recovery reads.
      if (isDirectory) fsyncSync(fd);
      else fdatasyncSync(fd);
      this.#syncCount += 1;
    } catch (error) {
      this.#onSyncError(error);
      throw error;
    }
  }
}

/** Start parameters with fsync on; `fdatasync`, the default method, is an empty stub in the WASM build. */
export const durableStartParams: readonly string[] = [
  ...PGlite.defaultStartParams.filter((value) => value !== "-F"),
  "-c",
  "wal_sync_method=fsync",
];
