import type { HeldId, ReleaseResult } from "@hayloft/engine";
import { isHayloftError } from "@hayloft/engine";
import * as v from "valibot";
import type { HttpReply, Route } from "./http-routes.ts";
import { errorReply, json, limitOf } from "./http-routes.ts";

/** What the endpoints need of the barn's quarantine. */
export interface QuarantinePort {
  list(limit: number): Promise<readonly Readonly<Record<string, unknown>>[]>;
  /** One refused commit with its values. */
  show(id: HeldId): Promise<Readonly<Record<string, unknown>> | null>;
  resend(id: HeldId, edits: readonly string[], person: string | null): Promise<HeldId>;
  discard(id: HeldId, reason: string, person: string | null): Promise<void>;
  release(id: HeldId, person: string | null): Promise<ReleaseResult>;
}

const LIST_DEFAULT = 100;
const LIST_MAX = 1000;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const PATH = "/api/v1/sync/quarantine/:origin/:seq";

const actionBody = v.object({
  person: v.optional(v.nullable(v.pipe(v.string(), v.minLength(1), v.maxLength(200))), null),
  reason: v.optional(v.pipe(v.string(), v.maxLength(2_000)), ""),
  edits: v.optional(v.pipe(v.array(v.pipe(v.string(), v.maxLength(20_000))), v.maxLength(100)), []),
});
type ActionBody = v.InferOutput<typeof actionBody>;

const notHere = (): HttpReply => errorReply(404, "not-found", "There is no such commit in quarantine.");

function idOf({ origin = "", seq = "" }: Readonly<Record<string, string>>): HeldId | null {
  return UUID.test(origin) && /^\d{1,15}$/.test(seq) ? { origin, seq: Number(seq) } : null;
}

/** The list is open to everybody who may see the status; what shows values of rows, or changes something, needs the admin token. */
export function quarantineRoutes(quarantine: QuarantinePort): readonly Route[] {
  return [
    {
      method: "GET",
      path: "/api/v1/sync/quarantine",
      admin: false,
      answer: async ({ query }) => json({ items: await quarantine.list(limitOf(query, LIST_DEFAULT, LIST_MAX)) }),
    },
    {
      method: "GET",
      path: PATH,
      admin: true,
      answer: async (_request, parameters) => {
        const id = idOf(parameters);
        const item = id === null ? null : await quarantine.show(id);
        return item === null ? notHere() : json(item);
      },
    },
    action("resend", async (id, { edits, person }) => ({
      state: "resent",
      replacement: await quarantine.resend(id, edits, person),
    })),
    action("discard", async (id, { reason, person }) => {
      await quarantine.discard(id, reason, person);
      return { state: "discarded" };
    }),
    action("release", async (id, { person }) => await quarantine.release(id, person)),
  ];
}

function action(name: string, run: (id: HeldId, body: ActionBody) => Promise<object>): Route {
  return {
    method: "POST",
    path: `${PATH}/${name}`,
    admin: true,
    answer: async ({ body }, parameters) => {
      const id = idOf(parameters);
      if (id === null) return notHere();
      const given = v.safeParse(actionBody, body ?? {});
      if (!given.success) return errorReply(400, "bad-request", "The body holds person, reason and edits, all texts.");
      try {
        return json(await run(id, given.output));
      } catch (error) {
        return refusedReply(error);
      }
    },
  };
}

/** What the person can do something about, with the engine's own words. */
function refusedReply(error: unknown): HttpReply {
  if (isHayloftError(error, "not-found")) return notHere();
  if (isHayloftError(error, "quarantine-closed")) return errorReply(409, error.code, error.message);
  if (!isHayloftError(error)) throw error;
  const theirs = ["request-invalid", "write-refused", "sql-failed", "commit-too-large", "config-invalid"].includes(error.code);
  if (theirs || error.code.startsWith("refused-")) return errorReply(400, error.code, error.message);
  throw error;
}
