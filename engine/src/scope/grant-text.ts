import type { Grant } from "../replica/replica-storage.ts";

/** What of a grant decides which rows a replica holds, as one text: equal for grants that show the same rows. */
export function grantText({ tenant, tier, scopes }: Pick<Grant, "tenant" | "tier" | "scopes">): string {
  const dimensions = Object.keys(scopes)
    .sort()
    .map((name) => [name, [...new Set(scopes[name])].sort()]);
  return JSON.stringify([tenant, tier, dimensions]);
}

/** The grant that `grantText` wrote; its role is not kept. */
export function readGrantText(text: string): Grant {
  const [tenant, tier, dimensions] = JSON.parse(text) as [string, string, readonly (readonly [string, readonly string[]])[]];
  return { tenant, tier, role: "", scopes: Object.fromEntries(dimensions) };
}
