import { HayloftError } from "@hayloft/engine";
import * as v from "valibot";
import { duration } from "../http/duration.ts";

const statusSchema = v.object({
  nodeId: v.string(),
  tenant: v.string(),
  mode: v.string(),
  atMs: v.number(),
  ready: v.object({
    ready: v.boolean(),
    problems: v.array(v.object({ part: v.string(), problem: v.string() })),
    degraded: v.array(v.object({ part: v.string(), problem: v.string() })),
  }),
  filling: v.boolean(),
  backlog: v.object({ commits: v.number(), rows: v.number(), bytes: v.number(), oldestAgeMs: v.number() }),
  quarantined: v.number(),
  held: v.array(v.object({ code: v.string(), count: v.number(), oldestMs: v.number() })),
  peers: v.array(v.object({ relation: v.string(), connected: v.boolean(), state: v.string(), skewMs: v.nullable(v.number()) })),
  ingress: v.object({
    stored: v.number(),
    duplicate: v.number(),
    refused: v.number(),
    failed: v.number(),
    ratePerSecond: v.number(),
  }),
  media: v.object({
    present: v.number(),
    announced: v.number(),
    awaited: v.number(),
    toSend: v.number(),
    failing: v.number(),
    missing: v.number(),
    damaged: v.number(),
  }),
  backup: v.object({ scheduled: v.boolean(), lastGoodMs: v.nullable(v.number()), lastError: v.nullable(v.string()) }),
});

type ShownStatus = v.InferOutput<typeof statusSchema>;

/** The part of the daemon's status that people look at. Throws `unavailable` when another program answered. */
export function parseStatus(answer: unknown): ShownStatus {
  const parsed = v.safeParse(statusSchema, answer);
  if (parsed.success) return parsed.output;
  throw new HayloftError("unavailable", { reason: "what answers there is not this version of the daemon" });
}

/** The rows of a list that the daemon answered. */
export function parseList(answer: unknown): readonly Readonly<Record<string, unknown>>[] {
  const parsed = v.safeParse(v.object({ items: v.array(v.record(v.string(), v.unknown())) }), answer);
  if (parsed.success) return parsed.output.items;
  throw new HayloftError("unavailable", { reason: "what answers there is not this version of the daemon" });
}

/** The status as lines, the most important first. */
export function statusText(status: ShownStatus): string {
  const parent = status.peers.find((peer) => peer.relation === "parent");
  const { backlog, ingress, media } = status;
  const lines: readonly (readonly [string, string])[] = [
    ["oldest unsent", backlog.commits === 0 ? "none" : duration(backlog.oldestAgeMs)],
    ["backlog", `${backlog.commits} commits, ${backlog.rows} rows, ${backlog.bytes} bytes`],
    [
      "link",
      status.mode === "standalone"
        ? "standalone"
        : parent === undefined
          ? "not connected"
          : parent.connected
            ? "connected"
            : parent.state,
    ],
    ["clock skew", parent === undefined || parent.skewMs === null ? "not measured" : `${parent.skewMs} ms`],
    ["quarantine", String(status.quarantined)],
    ...status.held.map(
      ({ code, count, oldestMs }) => ["", `${count} ${code}, the oldest ${duration(status.atMs - oldestMs)} ago`] as const,
    ),
    [
      "messages",
      `${ingress.stored} stored, ${ingress.duplicate} duplicate, ${ingress.refused} refused, ${ingress.failed} left with the device`,
    ],
    ["rate", `${ingress.ratePerSecond.toFixed(1)} messages/s over the last minute`],
    [
      "images",
      `${media.present} pictures here, ${media.announced + media.awaited} without bytes, ${media.toSend} to send (${media.failing} failing), ${media.missing + media.damaged} gone or altered`,
    ],
    ["backup", backupText(status)],
    ["ready", status.ready.ready ? "yes" : "no"],
    ...[...status.ready.problems, ...status.ready.degraded].map((item) => [item.part, item.problem] as const),
    ...(status.filling ? [["filling", "the first copy from the hub is still coming in"] as const] : []),
    ["node", `${status.nodeId} of tenant ${status.tenant}`],
  ];
  return `${lines.map(([name, value]) => `${name.padEnd(14)} ${plain(value)}`).join("\n")}\n`;
}

/** How old the last whole backup is, and whether newer ones failed. */
function backupText({ backup, atMs }: ShownStatus): string {
  const last = backup.lastGoodMs === null ? "none" : `the last one ${duration(atMs - backup.lastGoodMs)} ago`;
  if (backup.lastError !== null) return `${last}, failing: ${backup.lastError}`;
  return backup.scheduled ? last : `${last}, none are made by themselves (backup.directory)`;
}

/** Rows as an aligned table; `none` when there are none. */
export function listText(rows: readonly Readonly<Record<string, unknown>>[], columns: readonly string[]): string {
  if (rows.length === 0) return "none\n";
  const cells = [
    columns.map((column) => column.replaceAll("_", " ")),
    ...rows.map((row) => columns.map((column) => cellText(row[column]))),
  ];
  const widths = columns.map((_column, index) => Math.max(...cells.map((line) => line[index]?.length ?? 0)));
  return `${cells
    .map((line) =>
      line
        .map((text, index) => text.padEnd(widths[index] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n")}\n`;
}

function cellText(value: unknown): string {
  if (value === null || value === undefined) return "-";
  return plain(typeof value === "string" ? value : JSON.stringify(value));
}

/** What a device chose as its id must not steer the terminal. */
function plain(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, "\u{FFFD}");
}

const shownText = v.object({ text: v.string() });

/** What an entry of a list says for people. */
export function textOf(answer: unknown): string {
  const parsed = v.safeParse(shownText, answer);
  if (parsed.success) return parsed.output.text;
  throw new HayloftError("unavailable", { reason: "what answers there is not this version of the daemon" });
}
