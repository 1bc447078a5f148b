import type { HttpReply } from "./http-reply.ts";

/** Asks who sends a request to prove that it is an enrolled node; `challenge` is the header that says by what. */
export const unprovenReply = (challenge: string): HttpReply => ({
  status: 401,
  body: { error: { code: "unauthorized", message: "Sign the challenge as an enrolled node." } },
  headers: { "www-authenticate": challenge },
});
