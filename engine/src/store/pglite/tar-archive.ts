import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { HayloftError } from "../../error/hayloft-error.ts";

const blockBytes = 512;

/**
 * Unpacks a tar archive of plain files and directories into `directory`; `syncTree` makes it durable afterwards. Throws `store-failed` for a damaged archive or a name that leads out of `directory`.
 */
export function unpackTar(archive: Uint8Array, directory: string): void {
  let at = 0;
  while (at + blockBytes <= archive.length && archive[at] !== 0) {
    const header = archive.subarray(at, at + blockBytes);
    const prefix = headerText(header, 345, 155);
    const name = prefix === "" ? headerText(header, 0, 100) : `${prefix}/${headerText(header, 0, 100)}`;
    const sizeBytes = Number.parseInt(headerText(header, 124, 12), 8) || 0;
    const type = headerText(header, 156, 1);
    at += blockBytes;
    if (at + sizeBytes > archive.length || !hasChecksum(header))
      throw new HayloftError("store-failed", { reason: "damaged image" });
    writeEntry(placeOf(directory, name), type, archive.subarray(at, at + sizeBytes));
    at += Math.ceil(sizeBytes / blockBytes) * blockBytes;
  }
}

function writeEntry(place: string, type: string, content: Uint8Array): void {
  if (type === "5") {
    mkdirSync(place, { recursive: true, mode: 0o700 });
    return;
  }
  if (type !== "0" && type !== "") throw new HayloftError("store-failed", { reason: "damaged image" });
  mkdirSync(path.dirname(place), { recursive: true, mode: 0o700 });
  writeFileSync(place, content, { flag: "wx", mode: 0o600 });
}

function placeOf(directory: string, name: string): string {
  const relative = path.normalize(name).replace(/^\/+/, "");
  if (relative.startsWith("..")) throw new HayloftError("store-failed", { reason: "damaged image" });
  return path.join(directory, relative);
}

function headerText(header: Uint8Array, start: number, length: number): string {
  const field = header.subarray(start, start + length);
  const end = field.indexOf(0);
  return new TextDecoder().decode(end < 0 ? field : field.subarray(0, end)).trim();
}

/** The sum of the header's bytes, with the sum's own field taken as blanks. */
function hasChecksum(header: Uint8Array): boolean {
  const sum = header.reduce((total, byte, index) => total + (index >= 148 && index < 156 ? 32 : byte), 0);
  return Number.parseInt(headerText(header, 148, 8), 8) === sum;
}
