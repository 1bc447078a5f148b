import type { CellText } from "../commit/commit.ts";
import type { JournalEntry, WrittenValue } from "../journal/journal.ts";
import type { ReachedLevel } from "../receipt/read-receipt.ts";
import type { ExplainedCommit, Explanation } from "./explanation.ts";

const VALUE_CHARACTERS_MAX = 200;

/** A value as people read it: control characters shown, long texts cut. */
export function valueText(value: CellText): string {
  if (value === null) return "null";
  const plain = value.replaceAll(/\p{Cc}/gu, "\uFFFD");
  return plain.length > VALUE_CHARACTERS_MAX ? `"${plain.slice(0, VALUE_CHARACTERS_MAX)}…"` : `"${plain}"`;
}

const timeText = (at: Date | null): string => at?.toISOString() ?? "unknown time";

function writerText({ author, tier, node, writtenAt, commit }: WrittenValue): string {
  const who = [author, tier, node === null ? null : `node ${node}`].filter((part) => part !== null).join(", ");
  const which = commit === null ? "" : `, commit ${commit.origin} ${String(commit.seq)}`;
  return `${who === "" ? "unknown" : who}, ${timeText(writtenAt)}${which}`;
}

/** One entry of the journal as a sentence. */
export function lossText(entry: JournalEntry): string {
  const { lost, won, rule, undone } = entry;
  const end = undone === null ? "" : `; put back ${timeText(undone.at)}`;
  const place = `${entry.table} ${entry.key.join(", ")} ${entry.column}`;
  if (entry.column === "$stamp")
    return `commit ${lost.commit?.origin ?? ""} ${String(lost.commit?.seq ?? "")} was stamped again: ${timeText(lost.writtenAt)} became ${timeText(won.writtenAt)}`;
  return `${place}: ${valueText(lost.value)} (${writerText(lost)}) lost to ${valueText(won.value)} (${writerText(won)}) by ${rule}, noticed ${timeText(entry.noticedAt)}${end}`;
}

function hopText(name: string, { reached, at, level }: ReachedLevel): string {
  return reached ? `${name} ${timeText(at)}${level === null ? "" : ` (${level})`}` : `${name} not yet`;
}

function commitText(commit: ExplainedCommit): string {
  const { receipt } = commit;
  const values = Object.entries(commit.values).map(([name, value]) => `${name}=${valueText(value)}`);
  const hops = [hopText("here", receipt.device), hopText("parent", receipt.parent), hopText("top", receipt.top)];
  const code = receipt.code === null ? "" : ` (${receipt.code})`;
  return `${commit.op} by ${commit.author ?? "nobody named"}, ${commit.tier}, node ${commit.node}, written ${commit.writtenAt.toISOString()}, ${
    commit.via === null ? "here" : `came from ${commit.via}`
  }; ${hops.join(", ")}; ${receipt.outcome}${code}; ${values.join(", ")}; commit ${commit.origin} ${String(commit.seq)}`;
}

/** What a replica knows of a cell or row, as lines for people. */
export function explanationText(explanation: Explanation): string {
  const { table, key, column, tier, node, cells, commits, losses, held } = explanation;
  const lines = [`${table} ${key.join(", ")}${column === null ? "" : ` ${column}`} at ${tier} ${node}`];
  if (!explanation.exists) lines.push("  the row is not there");
  if (explanation.deleted !== null)
    lines.push(`  deleted ${explanation.deleted.at.toISOString()} by node ${explanation.deleted.node}`);
  for (const cell of cells)
    lines.push(`  ${cell.column} = ${valueText(cell.current.value)} by ${cell.rule}: ${writerText(cell.current)}`);
  lines.push(commits.length === 0 ? "  no commit of it is in the log" : "  commits, the newest first:");
  for (const commit of commits) lines.push(`    ${commitText(commit)}`);
  if (losses.length > 0) lines.push("  lost:");
  for (const entry of losses) lines.push(`    ${lossText(entry)}`);
  for (const item of held)
    lines.push(
      `  ${item.state} in quarantine since ${item.heldAt.toISOString()}: ${item.code}, commit ${item.origin} ${String(item.seq)}`,
    );
  return `${lines.join("\n")}\n`;
}
