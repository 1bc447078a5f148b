import type { Explanation, Journal, JournalFilter } from "@hayloft/engine";
import { explanationText, lossText } from "@hayloft/engine";
import * as v from "valibot";
import { answered } from "./answered.ts";
import type { HttpReply, Route } from "./http-routes.ts";
import { errorReply, limitOf } from "./http-routes.ts";

/** What the endpoints need of the barn's journal. */
export interface JournalPort {
  readonly tenant: string;
  readonly journal: Journal;
  explain(table: string, key: readonly string[], column: string | null): Promise<Explanation>;
}

const LIST_DEFAULT = 100;
const LIST_MAX = 1000;
const TEXT_LENGTH_MAX = 2_000;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const undoBody = v.object({ author: v.optional(v.nullable(v.pipe(v.string(), v.minLength(1), v.maxLength(200))), null) });

/** All of them show values of rows, or change some: they need the admin token. */
export function journalRoutes(port: JournalPort): readonly Route[] {
  return [
    { method: "GET", path: "/api/v1/sync/journal", admin: true, answer: async ({ query }) => await listReply(port, query) },
    {
      method: "POST",
      path: "/api/v1/sync/journal/:id/undo",
      admin: true,
      answer: async ({ body }, { id = "" }) => await undoReply(port, id, body),
    },
    { method: "GET", path: "/api/v1/sync/explain", admin: true, answer: async ({ query }) => await explainReply(port, query) },
  ];
}

const textOf = (query: URLSearchParams, name: string): string | undefined =>
  query.get(name)?.slice(0, TEXT_LENGTH_MAX) ?? undefined;

/** The key's parts, in the order of the primary key without the tenant, with commas between them. */
const keyOf = (text: string | undefined): readonly string[] | undefined => text?.split(",").map((part) => part.trim());

async function listReply({ journal }: JournalPort, query: URLSearchParams): Promise<HttpReply> {
  const [table, column, after] = [textOf(query, "table"), textOf(query, "column"), textOf(query, "after")];
  const key = keyOf(textOf(query, "key"));
  const sinceText = textOf(query, "since");
  const since = sinceText === undefined ? undefined : new Date(sinceText);
  if (since !== undefined && Number.isNaN(since.getTime()))
    return errorReply(400, "bad-request", "since is a time such as 2026-11-26T08:00:00Z.");
  const filter: JournalFilter = {
    limit: limitOf(query, LIST_DEFAULT, LIST_MAX),
    ...(table !== undefined && { table }),
    ...(column !== undefined && { column }),
    ...(key !== undefined && { key }),
    ...(since !== undefined && { since }),
    ...(after !== undefined && { after }),
  };
  return await answered(async () => {
    const { entries, next } = await journal.list(filter);
    return { items: entries.map((entry) => ({ ...entry, text: lossText(entry) })), next };
  });
}

async function undoReply({ journal, tenant }: JournalPort, id: string, body: unknown): Promise<HttpReply> {
  if (!UUID.test(id)) return errorReply(404, "not-found", "There is no such entry.");
  const given = v.safeParse(undoBody, body ?? {});
  if (!given.success) return errorReply(400, "bad-request", "The body holds the author, a text.");
  const { author } = given.output;
  return await answered(async () => {
    const { receipt, entry } = await journal.undo({ tenant, id }, author === null ? {} : { author });
    return { commit: receipt === null ? null : { origin: receipt.origin, seq: receipt.seq }, entry };
  });
}

async function explainReply(port: JournalPort, query: URLSearchParams): Promise<HttpReply> {
  const [table, key] = [textOf(query, "table"), keyOf(textOf(query, "key"))];
  if (table === undefined || key === undefined) return errorReply(400, "bad-request", "Name the table and the key.");
  return await answered(async () => {
    const explanation = await port.explain(table, key, textOf(query, "column") ?? null);
    return { ...explanation, text: explanationText(explanation) };
  });
}
