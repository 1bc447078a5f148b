import { closeSync, openSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import path from "node:path";
import { randomUUID } from "node:crypto";

/** A listening socket in the locked directory. The kernel closes it when its process dies, and never before. */
export interface LockSocket {
  readonly name: string;
  close(): Promise<void>;
}

/** Listens in `directory`; null where the file system or the platform has no sockets. */
export async function listenOn(directory: string): Promise<LockSocket | null> {
  const name = `lock-${randomUUID().slice(0, 8)}.sock`;
  const server = createServer((peer) => peer.destroy());
  const listens = await withShortPath(directory, name, async (place) => {
    return await new Promise<boolean>((resolve) => {
      server.once("error", () => resolve(false));
      server.listen(place, () => resolve(true));
    });
  });
  if (!listens) return null;
  server.unref();
  return {
    name,
    close: async () => {
      await new Promise((resolve) => server.close(resolve));
      rmSync(path.join(directory, name), { force: true });
    },
  };
}

/**
 * Whether somebody listens on the socket: `refused` is the kernel's word that its process is gone, `absent` says nothing.
 * A stopped process still counts as listening.
 */
export async function probeSocket(directory: string, name: string): Promise<"listens" | "refused" | "absent"> {
  return await withShortPath(directory, name, async (place) => {
    return await new Promise<"listens" | "refused" | "absent">((resolve) => {
      const probe = connect(place);
      probe.once("connect", () => {
        probe.destroy();
        resolve("listens");
      });
      probe.once("error", (error: NodeJS.ErrnoException) => {
        // EAGAIN is a full backlog of a process that does not accept, so one that lives.
        if (error.code === "ECONNREFUSED") resolve("refused");
        else resolve(error.code === "EAGAIN" ? "listens" : "absent");
      });
    });
  });
}

/** Sockets have paths of at most 107 bytes; on Linux a long one is reached through the open directory. */
async function withShortPath<T>(directory: string, name: string, use: (place: string) => Promise<T>): Promise<T> {
  const place = path.resolve(directory, name);
  if (Buffer.byteLength(place) < 100 || process.platform !== "linux") return await use(place);
  const fd = openSync(directory, "r");
  try {
    return await use(`/proc/self/fd/${fd}/${name}`);
  } finally {
    closeSync(fd);
  }
}
