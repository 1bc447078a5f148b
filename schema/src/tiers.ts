import type { Retention } from "@hayloft/engine";
import { days, forever } from "@hayloft/engine";

/** The tiers of the farm, from the top down. */
export const tiers = ["cloud", "edge", "tablet"] as const;

/** Scope dimensions below the tenant, widest first. */
export const scopes = ["farm", "barn"] as const;

/** Rows of this tenant are read by every tenant: roles, species, reference standards. */
export const sharedTenant = "_shared";

type Retain = Readonly<Record<string, Retention>>;

/** Small tables that every tier keeps whole. */
export const keepEverywhere: Retain = { cloud: forever, edge: forever, tablet: forever };

/** Tables of the hub and the barns' machines; tablets never hold them. */
export const keepCloudAndEdge: Retain = { cloud: forever, edge: forever };

/** Tables that exist on every tier and hold rows only at the hub. */
export const keepCloud: Retain = { cloud: forever };

/** Rows that grow with time: for ever at the hub, a window below it. */
export const keepWindow = (column: string, edgeDays: number, tabletDays?: number): Retain => ({
  cloud: forever,
  edge: days(edgeDays, column),
  ...(tabletDays === undefined ? {} : { tablet: days(tabletDays, column) }),
});
