import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";
import type { ErrorDetails } from "../../error/hayloft-error.ts";
import { probeSocket } from "./lock-socket.ts";

/** Who holds a lock, as the lock file says. A released lock's file holds `null`. */
export interface LockHolder {
  readonly pid: number;
  /** When the process started, in the kernel's ticks since boot; null where the system does not tell. */
  readonly startTicks: string | null;
  readonly bootId: string | null;
  /** The process namespace: a pid means nothing in another container. */
  readonly pidSpace: string | null;
  readonly host: string;
  readonly lockedAt: string;
  readonly socket: string | null;
}

export function thisProcess(socket: string | null): LockHolder {
  return {
    pid: process.pid,
    startTicks: processState(process.pid)?.startTicks ?? null,
    bootId: bootId(),
    pidSpace: pidSpace(),
    host: hostname(),
    lockedAt: new Date().toISOString(),
    socket,
  };
}

/** The holder named by a lock file's text; null when it was released. A text that cannot be read names no holder. */
export function parseHolder(text: string): LockHolder | null {
  try {
    return JSON.parse(text) as LockHolder | null;
  } catch {
    // Lock files appear whole; an unreadable one was damaged by a power cut, so its process is gone.
    return null;
  }
}

export function describeHolder(holder: LockHolder): ErrorDetails {
  return { pid: holder.pid, host: holder.host, lockedAt: holder.lockedAt };
}

/**
 * Whether the holder lives. The kernel decides: by the socket, which works across containers, and by the process table,
 * where pid and start time must both fit, because containers use the same pids again. In doubt the holder lives.
 */
export async function isAlive(holder: LockHolder, directory: string): Promise<boolean> {
  const boot = bootId();
  if (boot !== null && holder.bootId !== null && boot !== holder.bootId) return false;
  const socket = holder.socket === null ? "absent" : await probeSocket(directory, holder.socket);
  if (socket === "listens") return true;
  if (holder.pidSpace !== pidSpace()) return socket === "absent";
  return isSameProcess(holder);
}

function isSameProcess(holder: LockHolder): boolean {
  if (holder.startTicks === null) return isRunning(holder.pid);
  const state = processState(holder.pid);
  return state !== null && state.startTicks === holder.startTicks && !state.ended;
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

/** What the process table says; null when there is no such process, or no table as on macOS and Windows. */
function processState(pid: number): { startTicks: string; ended: boolean } | null {
  const stat = readOrNull(`/proc/${pid}/stat`);
  if (stat === null) return null;
  // The name in parentheses may hold blanks and parentheses; the fields after it are fixed.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return { startTicks: fields[19] ?? "", ended: fields[0] === "Z" || fields[0] === "X" };
}

function bootId(): string | null {
  return readOrNull("/proc/sys/kernel/random/boot_id")?.trim() ?? null;
}

function pidSpace(): string | null {
  try {
    return readlinkSync("/proc/self/ns/pid");
  } catch {
    // Not Linux: there are no namespaces to tell apart.
    return null;
  }
}

function readOrNull(file: string): string | null {
  try {
    return readFileSync(file, "utf8");
  } catch {
    // Absent: the process is gone, or the system has no /proc.
    return null;
  }
}
