import type { Reviews } from "@hayloft/engine";
import { reviewText } from "@hayloft/engine";
import { auditReview } from "@hayloft/schema";
import * as v from "valibot";
import { answered } from "./answered.ts";
import type { HttpReply, Route } from "./http-routes.ts";
import { errorReply, limitOf } from "./http-routes.ts";

/** What the endpoints need of the barn's reviews. */
export interface ReviewPort {
  readonly tenant: string;
  readonly reviews: Reviews;
}

const LIST_DEFAULT = 100;
const LIST_MAX = 1000;
const TABLE_LENGTH_MAX = 200;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const decisionBody = v.object({
  value: v.nullable(v.pipe(v.string(), v.maxLength(10_000))),
  author: v.pipe(v.string(), v.minLength(1), v.maxLength(200)),
});

/** Both show values of rows, and one changes them: they need the admin token. */
export function reviewRoutes(port: ReviewPort): readonly Route[] {
  return [
    { method: "GET", path: "/api/v1/sync/reviews", admin: true, answer: async ({ query }) => await listReply(port, query) },
    {
      method: "POST",
      path: "/api/v1/sync/reviews/:id/decide",
      admin: true,
      answer: async ({ body }, { id = "" }) => await decideReply(port, id, body),
    },
  ];
}

async function listReply({ reviews }: ReviewPort, query: URLSearchParams): Promise<HttpReply> {
  const table = query.get("table")?.slice(0, TABLE_LENGTH_MAX);
  const limit = limitOf(query, LIST_DEFAULT, LIST_MAX);
  return await answered(async () => {
    const open = await reviews.list({ limit, ...(table !== undefined && { table }) });
    return {
      items: open.map((review) => ({
        ...review,
        values: review.values.map((item) => ({ ...item, stamp: String(item.stamp) })),
        text: reviewText(review),
      })),
    };
  });
}

async function decideReply({ reviews, tenant }: ReviewPort, id: string, body: unknown): Promise<HttpReply> {
  if (!UUID.test(id)) return errorReply(404, "not-found", "There is no such review.");
  const given = v.safeParse(decisionBody, body ?? {});
  if (!given.success)
    return errorReply(400, "bad-request", "The body holds the value, a text or null, and the author, who decides.");
  const { value, author } = given.output;
  return await answered(async () => {
    const receipt = await reviews.decide({ tenant, id }, { value, author, also: auditReview(author, value) });
    return { commit: { origin: receipt.origin, seq: receipt.seq } };
  });
}
