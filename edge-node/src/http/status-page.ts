import type { EdgeStatus } from "../daemon/edge-status.ts";
import { duration } from "./duration.ts";

const STYLE = `
:root { color-scheme: light dark; font: 16px/1.45 system-ui, sans-serif; }
body { max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.3rem; } h2 { font-size: 1rem; margin-top: 2rem; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr)); gap: .8rem; }
.tile { border: 1px solid #8886; border-radius: .5rem; padding: .7rem .9rem; }
.tile b { display: block; font-size: 1.5rem; font-variant-numeric: tabular-nums; }
.good { border-left: .4rem solid #2a9d4e; } .warn { border-left: .4rem solid #d99a00; } .bad { border-left: .4rem solid #d03030; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
td, th { text-align: left; padding: .25rem .6rem; border-bottom: 1px solid #8884; }
`;

type Mood = "good" | "warn" | "bad";

/** The status page: one HTML document without any other file. It reloads itself every 5 s. */
export function statusPage(status: EdgeStatus): string {
  const ageSeconds = status.backlog.oldestAgeMs / 1000;
  const ageMood: Mood = ageSeconds < 60 ? "good" : ageSeconds < 300 ? "warn" : "bad";
  const tiles = [
    tile("Oldest unsent change", status.backlog.commits === 0 ? "none" : duration(status.backlog.oldestAgeMs), ageMood),
    tile("Waiting for the hub", `${status.backlog.rows} rows`, ageMood),
    tile("Link to the hub", linkText(status), linkMood(status)),
    tile("Clock against the hub", skewText(status), "good"),
    tile("Messages per second", status.ingress.ratePerSecond.toFixed(1), "good"),
    tile("Quarantine", String(status.quarantined), status.quarantined === 0 ? "good" : "warn"),
    tile("Refused messages", String(status.ingress.refused), status.ingress.refused === 0 ? "good" : "warn"),
    backupTile(status),
    tile("Ready", status.ready.ready ? "yes" : "no", status.ready.ready ? "good" : "bad"),
  ];
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="5"><title>Hayloft edge ${escapeHtml(status.tenant)}</title><style>${STYLE}</style></head>
<body><h1>Hayloft edge · ${escapeHtml(status.tenant)} · <small>${escapeHtml(status.nodeId)}</small></h1>
<div class="tiles">${tiles.join("")}</div>
${problems(status)}${table("Images", mediaRows(status))}${table("Messages", ingressRows(status))}${heldTable(status)}${table("Peers", peerRows(status))}${table("Jobs", jobRows(status))}
<p><small>${escapeHtml(status.mode)} · durability ${escapeHtml(status.durability)} · version ${escapeHtml(status.version)} · up ${duration(status.atMs - status.startedMs)}</small></p>
</body></html>`;
}

/** Text that cannot break out of an HTML document. */
function escapeHtml(text: string): string {
  const names: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
  return text.replaceAll(/[&<>"']/g, (character) => names[character] ?? "");
}

/** One word for the link: standalone, connected or the state between. */
function linkText(status: EdgeStatus): string {
  if (status.mode === "standalone") return "standalone";
  const parent = status.peers.find((peer) => peer.relation === "parent");
  if (parent === undefined) return "not connected";
  return parent.connected ? "connected" : parent.state;
}

/** The hub's clock minus ours. */
function skewText(status: EdgeStatus): string {
  const skewMs = status.peers.find((peer) => peer.relation === "parent")?.skewMs ?? null;
  return skewMs === null ? "not measured" : `${skewMs} ms`;
}

function linkMood(status: EdgeStatus): Mood {
  return status.mode === "standalone" || linkText(status) === "connected" ? "good" : "warn";
}

function backupTile({ backup, atMs }: EdgeStatus): string {
  const last = backup.lastGoodMs === null ? "none" : `${duration(atMs - backup.lastGoodMs)} old`;
  return tile("Last backup", last, backup.lastError !== null ? "bad" : backup.scheduled ? "good" : "warn");
}

function tile(name: string, value: string, mood: Mood): string {
  return `<div class="tile ${mood}">${escapeHtml(name)}<b>${escapeHtml(value)}</b></div>`;
}

function problems(status: EdgeStatus): string {
  const lines = [...status.ready.problems, ...status.ready.degraded].map((item) => [item.part, item.problem]);
  return lines.length === 0 ? "" : table("Problems", lines);
}

function ingressRows(status: EdgeStatus): readonly (readonly string[])[] {
  const { stored, duplicate, refused, failed, pending, lastMessageMs, refusedByReason } = status.ingress;
  return [
    ["stored", String(stored)],
    ["duplicate", String(duplicate)],
    ["refused", String(refused)],
    ...Object.entries(refusedByReason).map(([reason, count]) => [`— ${reason}`, String(count)]),
    ["left with the device", String(failed)],
    ["waiting", String(pending)],
    ["last message", lastMessageMs === null ? "never" : `${duration(status.atMs - lastMessageMs)} ago`],
    ["broker", `${status.mqtt.url}${status.mqtt.connections === null ? "" : `, ${status.mqtt.connections} connected`}`],
  ];
}

function mediaRows({ media }: EdgeStatus): readonly (readonly string[])[] {
  return [
    ["pictures here", `${media.present}, ${(media.presentBytes / 1_048_576).toFixed(1)} MB`],
    ["announced or known, no bytes here", String(media.announced + media.awaited)],
    [
      "on their way to the hub",
      `${media.toSend}, ${(media.toSendBytes / 1_048_576).toFixed(1)} MB, last attempt failed: ${media.failing}`,
    ],
    ["gone from the disk", String(media.missing)],
    ["altered on the disk", String(media.damaged)],
  ];
}

function peerRows(status: EdgeStatus): readonly (readonly string[])[] {
  return status.peers.map((peer) => [
    `${peer.relation} ${peer.node}`,
    peer.connected ? "connected" : peer.state,
    `${peer.backlog.rows} rows waiting`,
    peer.lastError === null ? "" : `${peer.lastError.code}, ${duration(status.atMs - peer.lastError.atMs)} ago`,
  ]);
}

/** Refused commits by reason, oldest and all; nothing when nothing is held. */
function heldTable({ held, atMs }: EdgeStatus): string {
  if (held.length === 0) return "";
  const rows = held.map(({ code, count, oldestMs }) => [code, String(count), `oldest ${duration(atMs - oldestMs)}`]);
  return table("Quarantine", rows);
}

function jobRows(status: EdgeStatus): readonly (readonly string[])[] {
  return status.jobs.map((job) => [job.name, `${job.runs} runs`, `${job.done} done`, job.lastError ?? ""]);
}

function table(title: string, rows: readonly (readonly string[])[]): string {
  const body = rows.map((row) => `<tr>${row.map((cell) => `<td>${escapeHtml(cell)}</td>`).join("")}</tr>`).join("");
  return `<h2>${escapeHtml(title)}</h2><table>${body}</table>`;
}
